"""Taking operations away that ended long ago, or only what they were asked with and what they answered."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from ringback.delivery.retention import CONTENT, LEFT, Done, counted_from, each
from ringback.operations.desk import DurableEngine
from ringback.tables.operations import OperationRow, OperationTable
from ringback.tables.paging import Place
from ringback.tables.service import Tables

OPERATION = "operation"
# The others may be tried again by their person, and need what they were asked with.
EMPTIED = "succeeded"


class OperationRetention:
    """Pages through the operations; a limit of None takes nothing away."""

    def __init__(
        self, tables: Tables, engine: DurableEngine, before: datetime | None, content_before: datetime | None
    ) -> None:
        self._table = OperationTable(tables)
        self._engine = engine
        self._before, self._content_before = before, content_before

    async def page(self, place: Place | None) -> Done:
        """Operations that ended before the limits, or what those that succeeded were about; their histories first."""
        limits = [limit for limit in (self._before, self._content_before) if limit is not None]
        if not limits:
            return Counter(), None
        rows, following = await self._table.ended_page(max(limits), place)
        return await each(self._take, rows), following

    async def _take(self, found: tuple[OperationRow, str]) -> str | None:
        row, etag = found
        if row.is_open or row.ended_at is None:
            return None
        ended = counted_from(row.ended_at, row.hub, self._table.hub)
        if self._before is not None and ended < self._before:
            removed = await self._engine.purge(row.id) and await self._table.remove(row.id, etag)
            return OPERATION if removed else LEFT
        is_due = self._content_before is not None and ended < self._content_before
        if not is_due or row.erased or row.state != EMPTIED:
            return None
        if not await self._engine.purge(row.id):
            return LEFT
        await self._table.erase(row)
        return CONTENT
