"""Taking deliveries away that ended long ago, or only what they said.

    histories ▸ mark ▸ presses, dead letter, id ▸ the ledger's row

Only a row that has ended is looked at, and each write of it requires that nobody wrote it since: a redrive, an edit or
an erasure that comes in between wins, and the row is looked at again by the next pass. The mark keeps everybody from
the row from then on. Whatever dies, the row is still there to begin anew with, so it goes last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import FINAL_STATES, LedgerRow
from ringback.delivery.notification import CANCEL_EVENT, instance_of
from ringback.delivery.sending import dead_letter
from ringback.errors import RetryableError
from ringback.operations.desk import DurableEngine
from ringback.tables.dead_letters import DeadLetter, DeadLetterTable
from ringback.tables.engagement import EngagementTable
from ringback.tables.notifications import NotificationEntry, NotificationTable
from ringback.tables.paging import Place, page
from ringback.tables.service import LEDGER, Tables

log = logging.getLogger(__name__)
AT_ONCE = 8
DELIVERY, CONTENT, ID, LETTER = "delivery", "content", "id", "dead-letter"
# Old enough to go, and not gone: it was written by others, its orchestration still runs, or the tables refused.
LEFT = "left"
# Only its own task hub can take its histories away: the others come after, for one that is no more.
FOR_OTHERS = timedelta(days=7)
Done = tuple[Counter[str], Place | None]


class DeliveryRetention:
    """Pages through the ledger and what hangs on it; a limit of None takes nothing away."""

    def __init__(
        self, tables: Tables, engine: DurableEngine, before: datetime | None, content_before: datetime | None
    ) -> None:
        self._tables = tables
        self._engine = engine
        self._ledger = Ledger(tables)
        self._letters = DeadLetterTable(tables)
        self._index = NotificationTable(tables)
        self._before, self._content_before = before, content_before

    async def page(self, place: Place | None) -> Done:
        """Deliveries that ended before the limits, or what they said; the latter of failed ones stays redrivable."""
        conditions = {
            "CreatedAt lt @before": self._before,
            "(CreatedAt lt @content and Pieces gt 0 and State ne 'failed')": self._content_before,
        }
        asked = " or ".join(condition for condition, limit in conditions.items() if limit is not None)
        if not asked:
            return Counter(), None
        asked += " or Withdrawn eq true"
        limits = {"before": self._before, "content": self._content_before}
        parameters = {name: limit for name, limit in limits.items() if limit is not None}
        names = ["PartitionKey", "RowKey", "State"]
        rows, following = await page(await self._tables.get(LEDGER), asked, parameters, names, place)
        keys = [(row["PartitionKey"], row["RowKey"]) for row in rows if row["State"] in FINAL_STATES]
        return await each(self._take, keys), following

    async def page_of_ids(self, place: Place | None) -> Done:
        """Ids whose request died before there was a delivery, and was never repeated."""
        if self._before is None:
            return Counter(), None
        entries, following = await self._index.entered_before(self._before, place)
        return await each(self._take_id, entries), following

    async def page_of_letters(self, place: Place | None) -> Done:
        """Dead letters that a crash left behind: their delivery is gone, or failed no more."""
        if self._before is None:
            return Counter(), None
        letters, following = await self._letters.failed_before(self._before, place)
        return await each(self._take_letter, letters), following

    async def _take(self, key: tuple[str, str]) -> str | None:
        row = await self._ledger.get(*key)
        ended = None if row is None else ended_at(row)
        if row is None or ended is None:
            return None
        ended = counted_from(ended, row.hub, self._ledger.hub)
        try:
            # What was being removed is shown to nobody any more, whatever the limit is by now.
            if row.withdrawn or (self._before is not None and ended < self._before):
                return await self._remove(row)
            if self._content_before is not None and ended < self._content_before and row.state != "failed":
                return await self._empty(row)
        except RetryableError:
            log.info("delivery %s was written by others when it was to be removed", row.id)
            return LEFT
        return None

    async def _remove(self, row: LedgerRow) -> str:
        if not await self._purged(row):
            return LEFT
        row = await self._ledger.withdraw(row)
        await EngagementTable(self._tables).erase(row.id, row.created_at)
        if row.state == "failed":
            await self._letters.remove(dead_letter(row))
        await self._forget_id(row)
        return DELIVERY if await self._ledger.remove(row) else LEFT

    async def _forget_id(self, row: LedgerRow) -> None:
        entry = await self._index.get(row.id)
        # A later one is that of somebody who uses the id again.
        if entry is not None and (entry.at is None or row.created_at is None or entry.at <= row.created_at):
            await self._index.forget(entry)

    async def _empty(self, row: LedgerRow) -> str | None:
        if row.content is None:
            return None
        # What an operation sends stands in its history too.
        if not await self._purged(row):
            return LEFT
        await self._ledger.empty(row)
        return CONTENT

    async def _purged(self, row: LedgerRow) -> bool:
        """Whether no orchestration of this delivery is left; one that still waits is told that there is nothing to."""
        gone = True
        for number in range(row.round + 1):
            instance = instance_of(row.id, number)
            if not await self._engine.purge(instance):
                await self._engine.raise_event(instance, CANCEL_EVENT, {"reason": row.state})
                gone = False
        return gone

    async def _take_id(self, entry: NotificationEntry) -> str | None:
        if await self._ledger.get(entry.user, entry.delivery) is not None:
            return None
        return ID if await self._index.forget(entry) else LEFT

    async def _take_letter(self, letter: DeadLetter) -> str | None:
        row = await self._ledger.get(letter.user, letter.delivery)
        if row is not None and row.state == "failed" and dead_letter(row).key == letter.key:
            return None
        await self._letters.remove(letter)
        return LETTER


def ended_at(row: LedgerRow) -> datetime | None:
    """When it ended, or was last changed after that; None while it has not."""
    if not row.is_final:
        return None
    ended = (row.delivered_at if row.state == "delivered" else row.failed_at) or row.created_at
    return max(filter(None, (ended, row.edited_at, row.recalled_at)), default=None)


def counted_from(ended: datetime, hub: str | None, own: str) -> datetime:
    """The end from which this task hub, `own`, counts the days of what `hub` brought or ran."""
    return ended if hub in {None, own} else ended + FOR_OTHERS


async def each(job: Callable[[Any], Awaitable[str | None]], items: Iterable[Any]) -> Counter[str]:
    """How many of each kind; what raises is logged and left, and keeps none of the others."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Any) -> str | None:
        async with gate:
            try:
                return await job(item)
            except Exception:
                log.exception("retention: one is left for the next pass")
                return LEFT

    return Counter(kind for kind in await asyncio.gather(*map(one, items)) if kind is not None)
