"""The ledger: one row a delivery, claimed before the message goes out and completed after the channel's answer.

    pending ◀──▶ waiting                  (quiet hours, rate, not before)
     │  ▲            │
     ▼  │ later      ▼
    sending      suppressed, cancelled    (our rules; before a send only)
     ├─▶ delivered ─▶ recalled or edited, and still delivered
     ├─▶ failed ────▶ pending             (redriven by an operator)
     └─▶ ambiguous                        (only with onAmbiguous: hold)

A row that is still `sending` when it is claimed again belongs to a process that died between sending and writing: that
try is kept as ambiguous, counted, and the message sent once more, or held if its sender asked for that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback import metrics
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.ledger_row import (
    MAX_ATTEMPTS,
    MAX_CODE,
    SENDING,
    Attempt,
    LedgerRow,
    bare,
    changed,
    content_properties,
    empty,
    new_row,
    read_row,
    whole,
)
from ringback.delivery.notification import HOLD, Notification, Stop
from ringback.errors import RetryableError
from ringback.tables.cache import TtlCache
from ringback.tables.service import LEDGER, Tables

MAX_TEXT = 1_000
INTERRUPTED, REMOVED = "interrupted", "removed"
UNTRIED = "none"
# Most deliveries are sent by the process that opened them, within a second.
OPENED_SECONDS, OPENED_SIZE = 10.0, 500
Opened = TtlCache[tuple[str, str], LedgerRow]
_opened: WeakKeyDictionary[Tables, Opened] = WeakKeyDictionary()


class LedgerKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of rows says of one; `purged`: an erasure has nothing more to do with it."""

    id: str
    created_at: datetime | None
    purged: bool


class Ledger:
    """Claims and completes deliveries."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._opened = _opened.setdefault(tables, TtlCache(OPENED_SECONDS, OPENED_SIZE))

    @property
    def hub(self) -> str:
        """The task hub of this process."""
        return self._tables.hub

    async def open(self, row: LedgerRow) -> bool:
        """Insert a new delivery, also in the place of one withdrawn; False when the ledger holds its id already."""
        try:
            await self._write(row)
        except RetryableError:
            return await self._replace_withdrawn(row)
        if row.state == "pending":
            self._opened.put((row.user, row.id), msgspec.structs.replace(row))
        return True

    async def _replace_withdrawn(self, row: LedgerRow) -> bool:
        old = await self.get(row.user, row.id)
        if old is not None and not old.withdrawn:
            return False
        # Whoever is removing it finds that it was written since.
        row.etag = None if old is None else old.etag
        await self._update(row, whole(row), UpdateMode.REPLACE)
        return True

    async def get(self, user: str, delivery_id: str) -> LedgerRow | None:
        """The row of a delivery, or None."""
        table = await self._tables.get(LEDGER)
        try:
            entity = await table.get_entity(user, delivery_id)
        except ResourceNotFoundError:
            return None
        return read_row(dict(entity), str(entity.metadata["etag"]))

    async def find(self, notification: Notification, now: datetime) -> LedgerRow:
        """The row of a delivery, or the one that a claim will insert.

        One whose content was in a row that is gone was removed for its age: it is answered as cancelled, and nothing
        stores it again. What this process has just opened is not read: if others wrote it since, its etag fails the
        next write, once.
        """
        user, identity = notification.user, notification.id
        row = self._opened.take((user, identity)) or await self.get(user, identity) or new_row(notification, now)
        if row.etag is None and row.content is None:
            row.state, row.code = "cancelled", REMOVED
        return row

    async def claim(self, row: LedgerRow, stop: Stop, now: datetime, locale: str | None = None) -> LedgerRow:
        """The row as it was found, now `sending` with a new attempt; or `ambiguous`, if a lost try ends the delivery.

        Raises RetryableError when another process wrote the row since.
        """
        interrupted(row)
        if row.ambiguous and row.on_ambiguous == HOLD:
            row.state, row.code, row.failed_at = "ambiguous", INTERRUPTED, now
            return await self._write(row)
        row.state, row.channel, row.reference = SENDING, stop.channel, stop.reference
        row.locale = locale or row.locale
        row.attempts = [*row.attempts[-MAX_ATTEMPTS + 1 :], Attempt(at=now, channel=stop.channel)]
        row.tries += 1
        return await self._write(row)

    async def complete(
        self, row: LedgerRow, result: SendResult, now: datetime, *, last: bool = True, took: float | None = None
    ) -> LedgerRow:
        """Write what the channel answered to the claimed attempt, after `took` seconds.

        With `last` a permanent answer ends the delivery.
        """
        attempt, outcome = row.attempts[-1], result.outcome
        attempt.outcome, attempt.code = outcome.value, result.code and result.code[:MAX_CODE]
        attempt.status, attempt.latency = result.status, None if took is None else round(took, 3)
        row.ambiguous += outcome is Outcome.AMBIGUOUS
        row.state = _state(row, outcome, last=last)
        row.code, row.detail = attempt.code, (result.detail or None) and result.detail[:MAX_TEXT]
        # A write that the table refused for an id's sake would leave a message sent that looks unsent.
        row.activity_id = result.activity_id if len(result.activity_id or "") <= MAX_TEXT else None
        if row.state == "delivered":
            row.delivered_at = now
            since = max(filter(None, (row.created_at, row.not_before)), default=now)
            row.latency = max(0.0, (now - since).total_seconds())
        elif row.is_final:
            row.failed_at = now
        await self._write(row)
        metrics.count("attempts", attempt.channel, attempt.outcome)
        return row

    async def hold(self, notification: Notification, until: datetime, reason: str | None, now: datetime) -> LedgerRow:
        """Note that the message waits; a delivery that has ended stays as it is."""

        def wait(row: LedgerRow) -> None:
            interrupted(row)
            row.state, row.waiting_until = "waiting", until
            row.code, row.detail = code_of(reason), reason

        return await self.change(notification, wait, now)

    async def close(self, notification: Notification, state: str, reason: str | None, now: datetime) -> LedgerRow:
        """End a delivery without the channel: suppressed, cancelled, or failed because its time was up."""

        def end(row: LedgerRow) -> None:
            interrupted(row)
            held = row.ambiguous > 0 and row.on_ambiguous == HOLD and state != "cancelled"
            row.state, row.failed_at = "ambiguous" if held else state, now
            if reason != row.code:
                # A bare code of the last try's tells less than what the channel said with it.
                row.code, row.detail = code_of(reason), reason

        return await self.change(notification, end, now)

    async def change(self, notification: Notification, edit: Callable[[LedgerRow], None], now: datetime) -> LedgerRow:
        """Edit and write the row of a delivery unless this round has ended; the row as it is afterwards."""
        row = await self.find(notification, now)
        if not row.is_over(notification.round):
            edit(row)
            await self._write(row)
        return row

    async def save(self, row: LedgerRow, *, content: bool = False) -> LedgerRow:
        """Write a row that nobody else wrote since it was read, and its content only if asked; else RetryableError."""
        return await self._write(row, content=content)

    async def erase(self, row: LedgerRow, *, purged: bool = False) -> LedgerRow:
        """Take away what an ended delivery said and to whom, unless somebody wrote it since: RetryableError.

        `purged` notes that its orchestrations are gone too.
        """
        return await self._update(row, bare(row, purged=purged), UpdateMode.REPLACE)

    async def empty(self, row: LedgerRow) -> LedgerRow:
        """Take away what an ended delivery said, unless somebody wrote it since: RetryableError."""
        return await self._update(row, empty(row), UpdateMode.REPLACE)

    async def withdraw(self, row: LedgerRow) -> LedgerRow:
        """Mark an ended delivery as about to be removed, unless somebody wrote it since: RetryableError."""
        row.withdrawn = True
        mark = {"PartitionKey": row.user, "RowKey": row.id, "Withdrawn": True}
        return await self._update(row, mark, UpdateMode.MERGE)

    async def remove(self, row: LedgerRow) -> bool:
        """Remove a row; False when somebody wrote it since."""
        table = await self._tables.get(LEDGER)
        condition = MatchConditions.IfNotModified
        try:
            await table.delete_entity(row.user, row.id, etag=row.etag, match_condition=condition)
        except ResourceModifiedError:
            return False
        return True

    async def keys(self, user: str) -> AsyncIterator[LedgerKey]:
        """Every delivery to a person, without reading what it says."""
        table = await self._tables.get(LEDGER)
        names = ["RowKey", "CreatedAt", "Purged"]
        async for row in table.query_entities("PartitionKey eq @user", parameters={"user": user}, select=names):
            at = row.get("CreatedAt")
            created = None if at is None else datetime.fromtimestamp(at.timestamp(), tz=timezone.utc)
            yield LedgerKey(id=row["RowKey"], created_at=created, purged=bool(row.get("Purged")))

    async def _write(self, row: LedgerRow, *, content: bool = False) -> LedgerRow:
        row.hub = row.hub or self.hub
        extra = content_properties(row.content) if content and row.content is not None else {}
        return await self._update(row, {**changed(row), **extra} if row.etag else whole(row), UpdateMode.MERGE)

    async def _update(self, row: LedgerRow, entity: dict[str, Any], mode: UpdateMode) -> LedgerRow:
        """Insert a row that was not there, or change one that nobody else changed since."""
        self._opened.take((row.user, row.id))
        table = await self._tables.get(LEDGER)
        try:
            if row.etag is None:
                metadata: Any = await table.create_entity(entity)
            else:
                condition = MatchConditions.IfNotModified
                metadata = await table.update_entity(entity, mode=mode, etag=row.etag, match_condition=condition)
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            raise RetryableError(f"Delivery {row.id} is being worked on by another process.") from None
        row.etag = metadata["etag"]
        row.erased = row.erased or "Erased" in entity
        _count(row)
        return row


def _count(row: LedgerRow) -> None:
    """Count what this write has made of the delivery."""
    state, ambiguous = row.stored
    row.stored = row.state, row.ambiguous
    if row.is_final and row.state != state:
        metrics.count("deliveries", row.state)
    if row.ambiguous > ambiguous:
        lost = (attempt.channel for attempt in reversed(row.attempts) if attempt.outcome == Outcome.AMBIGUOUS.value)
        metrics.count("ambiguous", next(lost, UNTRIED))


def interrupted(row: LedgerRow) -> None:
    """Count a try whose answer was never written: its process died, and the message may have arrived."""
    if row.attempts and row.attempts[-1].outcome == SENDING:
        row.attempts[-1].outcome, row.attempts[-1].code = Outcome.AMBIGUOUS.value, INTERRUPTED
        row.ambiguous += 1


def code_of(reason: str | None) -> str | None:
    """The word before the colon, by which reasons are counted and looked for."""
    return reason.partition(":")[0] if reason else None


def _state(row: LedgerRow, outcome: Outcome, *, last: bool) -> str:
    if outcome is Outcome.DELIVERED:
        return "delivered"
    if outcome is Outcome.PERMANENT and last:
        return "failed"
    if outcome is Outcome.AMBIGUOUS and row.on_ambiguous == HOLD:
        return "ambiguous"
    return "pending"
