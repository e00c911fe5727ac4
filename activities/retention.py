"""The activity of `retention`."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.operations.engine import DurableClientEngine
from ringback.retention import Pass, next_page
from ringback.tables.service import tables

bp = df.Blueprint()


@bp.activity_trigger(input_name="payload")
@bp.durable_client_input(client_name="client")
async def remove_old(payload: dict[str, Any], client: Any) -> dict[str, Any]:
    """Input: Pass. Do its next page, which may be done again. Output: the Pass after it."""
    done = await next_page(tables(), DurableClientEngine(client), msgspec.convert(payload, Pass))
    plain: dict[str, Any] = msgspec.to_builtins(done)
    return plain
