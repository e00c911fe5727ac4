"""Taking away what a person's operations were asked with and what they answered."""

from __future__ import annotations

from datetime import datetime

from ringback.operations.desk import DurableEngine, OperationsDesk
from ringback.tables.operations import OperationTable
from ringback.tables.service import Tables


async def erase_operations(tables: Tables, engine: DurableEngine, user: str, until: datetime) -> int:
    """Cancel what runs, empty what has ended, and drop its history; how many were not empty yet.

    The rows stay, so that a message that the channel posts again starts nothing again.
    """
    desk, found = OperationsDesk(OperationTable(tables), engine), 0
    for row in await desk.table.of_owner(user, open_only=False):
        if row.erased or row.created_at > until:
            continue
        found += 1
        if row.is_open:
            await desk.cancel(row.id)
        elif await engine.purge(row.id):
            await desk.table.erase(row)
    return found
