"""The cancel mark: a field of the operation's row that activities look for before and while they work."""

from __future__ import annotations

from typing import Any

from ringback.tables.operations import OperationTable
from ringback.tables.service import tables

CANCELLED = {"cancelled": True}


async def cancel_marked(payload: dict[str, Any]) -> bool:
    """Whether the operation that an activity works for was cancelled."""
    row = await OperationTable(tables()).get(payload["operation_id"])
    return row is not None and row.cancel
