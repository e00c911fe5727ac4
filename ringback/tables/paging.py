"""Walking through a table a page at a time, with a place from which another process can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

PAGE = 100
# The key behind which the next page begins, as the service tells it; None behind the last one.
Place = dict[str, str | None]


async def page(
    table: TableClient,
    condition: str,
    parameters: Mapping[str, Any],
    select: Sequence[str],
    place: Place | None,
) -> tuple[list[TableEntity], Place | None]:
    """At most PAGE rows from `place` on, and the place of those after them.

    A page may be empty and not the last: the service answers a long search with what it has found so far.
    """
    found = table.query_entities(condition, parameters=dict(parameters), select=list(select), results_per_page=PAGE)
    # The SDK's own types know only of services whose token is a text.
    pages = cast("Any", found).by_page(continuation_token=place)
    rows = [row async for row in await pages.__anext__()]
    return rows, pages.continuation_token or None
