"""The options of a query: how many, which properties, from where on."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from local.services.tables.errors import ServiceError
from local.services.tables.filter_syntax import Expression, Literal
from local.services.tables.filters import Row, matches

PAGE_LIMIT = 1000


def page_limit(top: str | None) -> int:
    """Entities an answer may hold; raises ServiceError when `$top` asks for none or for more than a page."""
    if top is None:
        return PAGE_LIMIT
    if not top.isascii() or not top.isdigit() or not 1 <= int(top) <= PAGE_LIMIT:
        raise ServiceError("InvalidInput", f"$top is a whole number from 1 to {PAGE_LIMIT}.")
    return int(top)


def selected(select: str | None) -> frozenset[str]:
    """Names of the properties wanted; empty is all of them."""
    names = frozenset(name.strip() for name in (select or "").split(",") if name.strip())
    return frozenset() if "*" in names else names


def continuation_start(query: Mapping[str, str]) -> tuple[str, str] | None:
    """The keys that a client sends back to go on from."""
    partition = query.get("NextPartitionKey")
    if partition is None:
        return None
    return _decoded(partition), _decoded(query.get("NextRowKey", ""))


def continuation_headers(keys: tuple[str, str] | None) -> dict[str, str]:
    if keys is None:
        return {}
    return {
        "x-ms-continuation-NextPartitionKey": _encoded(keys[0]),
        "x-ms-continuation-NextRowKey": _encoded(keys[1]),
    }


def _encoded(key: str) -> str:
    """A key as a header can carry it, in the service's own shape: 1!<length>!<base64>."""
    text = base64.urlsafe_b64encode(key.encode()).decode()
    return f"1!{len(text)}!{text}"


def _decoded(token: str) -> str:
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token.split("!", 2)[2]).decode()
    except (IndexError, ValueError) as error:
        raise ServiceError("InvalidInput", "The continuation is not one that was given out.") from error


def table_page(
    names: Sequence[str], expression: Expression | None, start: str | None, limit: int
) -> tuple[list[str], str | None]:
    """Table names of one answer and the one that the next answer starts with."""
    found = [
        name
        for name in names
        if (start is None or name.lower() >= start.lower()) and (expression is None or _table_matches(expression, name))
    ]
    return found[:limit], found[limit] if len(found) > limit else None


def _table_matches(expression: Expression, name: str) -> bool:
    return matches(expression, _TableRow(name))


class _TableRow(Row):
    """A table as a row of the table of tables."""

    def __init__(self, name: str) -> None:
        super().__init__("", "", 0, b"{}")
        self.name = name

    def value(self, name: str) -> Literal | None:
        return Literal("string", self.name) if name.lower() == "tablename" else None
