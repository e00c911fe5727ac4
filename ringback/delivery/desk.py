"""Where notifications are taken in, looked up, cancelled and sent again: one desk behind every door.

The order of writes is the promise: the id with its listing, the ledger's row, the orchestration, and off the list when
the row has ended. Whatever dies in between, a repeated request or the recovery timer goes on from what is written.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import msgspec

from ringback.delivery.adoption import watch_of
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import LedgerRow, new_row
from ringback.delivery.notification import CANCEL_EVENT, Notification, instance_of
from ringback.delivery.people import UserEntities
from ringback.delivery.sending import dead_letter
from ringback.errors import ConflictError, NotFoundError, RetryableError
from ringback.ids import is_key, owner_of
from ringback.operations.desk import DELIVER, DurableEngine
from ringback.tables.dead_letters import DeadLetter, DeadLetterTable
from ringback.tables.notifications import Listing, NotificationEntry, NotificationTable
from ringback.tables.service import Tables

# Apart from every other instance id, so that no caller can take the place of an operation's delivery.
PREFIX = "notify-"
# A door that was writing and starting needs less; who finds an older row without an instance may start it.
START_GRACE = timedelta(seconds=10)
# A listing without a row belongs to a door that died before it answered anybody.
ORPHAN_AGE = timedelta(hours=1)
# How long after it should have moved a delivery is held against the engine, and how often one that waits long.
LOOK_AGAIN, LONGEST_UNSEEN = timedelta(minutes=5), timedelta(hours=6)
# A try in progress ends within this time as a rule.
SETTLE_SECONDS, SETTLE_STEP = 3.0, 0.1
WRITES = 5
ENDED = {"Completed", "Failed", "Terminated", "Canceled"}
STOPPED = "stopped: its orchestration was ended from outside"


def delivery_of(public_id: str) -> str:
    """The delivery id of a notification's id."""
    return PREFIX + public_id


def public_id(delivery: str) -> str:
    """The id that callers know: the notification's, or the delivery's own where an operation started it."""
    return delivery.removeprefix(PREFIX)


class DeliveryDesk:
    """Takes notifications in, and changes what has not been sent."""

    def __init__(self, tables: Tables, engine: DurableEngine, *, kept_days: int | None = None) -> None:
        """`kept_days`: how long what has ended is kept, for who asks for what is not there."""
        self._kept_days = kept_days
        self.ledger = Ledger(tables)
        self.index = NotificationTable(tables)
        self.letters = DeadLetterTable(tables)
        self._engine = engine
        self._watch = watch_of(tables)

    async def submit(self, notification: Notification, body: str) -> LedgerRow:
        """Take in a notification with its content; `body` is a digest of what was asked for.

        The same id again answers with the first one's row; with another body, ConflictError.
        """
        entry = NotificationEntry(
            id=public_id(notification.id), delivery=notification.id, user=notification.user, body=body
        )
        now = _now()
        if not await self.index.insert(entry, now):
            seen = await self.index.get(notification.id)
            if seen is None or seen.body != body:
                text = f"The id {entry.id!r} was used before for another notification: choose a new id."
                raise ConflictError(text, field="id")
            return await self._again(msgspec.structs.replace(notification, user=seen.user), seen, now)
        row = _opening(notification, now)
        if not await self.ledger.open(row):
            return await self._found_open(row)
        await self._start(row, fresh=True)
        return row

    async def _found_open(self, row: LedgerRow) -> LedgerRow:
        """The row that was there: one that another request of the same id wrote, or this one's first attempt.

        The SDK repeats an insert that was answered with 500, 503 or 504, whether or not it was written.
        """
        row = await self.ledger.get(row.user, row.id) or row
        if not (row.is_final or row.tries or self._is_elsewhere(row)):
            await self._start(row)
        return row

    async def seen(self, notification_id: str, body: str) -> LedgerRow | None:
        """The row of a notification that was taken in before with the same body."""
        entry = await self.index.get(delivery_of(notification_id))
        if entry is None or entry.body != body:
            return None
        return await self.ledger.get(entry.user, entry.delivery)

    async def find(self, notification_id: str) -> LedgerRow:
        """The row of a notification, or of an operation's delivery; raises NotFoundError."""
        row = await self._stored(notification_id) if is_key(notification_id) else None
        if row is None or row.withdrawn:
            days = f" One that ended more than {self._kept_days} days ago was removed." if self._kept_days else ""
            raise NotFoundError(f"There is no notification {notification_id!r}.{days}", field="id")
        return row

    async def _stored(self, notification_id: str) -> LedgerRow | None:
        entry = await self.index.get(delivery_of(notification_id))
        if entry is not None:
            return await self.ledger.get(entry.user, entry.delivery)
        return await self.ledger.get(owner_of(notification_id), notification_id)

    async def look(self, notification_id: str) -> LedgerRow:
        """The row; one whose orchestration is gone is started again, or is a dead letter if an operator ended it."""
        row = await self.find(notification_id)
        if row.is_final or _now() - (row.created_at or _now()) < START_GRACE:
            return row
        return await self._hold_against_engine(row)

    async def _hold_against_engine(self, row: LedgerRow) -> LedgerRow:
        """Start an open row that has no orchestration, close one whose orchestration was ended from outside.

        Of two who do it at once the engine starts one and the ledger lets one end be written. What another task hub
        brings is not in this one's engine, and its people are not known there.
        """
        if self._is_elsewhere(row):
            return row
        status = await self._engine.status(instance_of(row.id, row.round))
        if status is None:
            await self.tidy(row)
            await self._start(row)
        elif status.runtime in ENDED:
            # It writes the end before it ends: what is still open now was ended from outside.
            row = await self.ledger.close(row.notification, "failed", STOPPED, _now())
            if row.state == "failed":
                await self.letters.put(dead_letter(row))
        return row

    def _is_elsewhere(self, row: LedgerRow) -> bool:
        return row.hub is not None and row.hub != self.ledger.hub

    async def settled(self, notification_id: str) -> LedgerRow:
        """The row, once no try is in progress; raises ConflictError when one takes long."""
        for _ in range(int(SETTLE_SECONDS / SETTLE_STEP)):
            row = await self.find(notification_id)
            if row.state != "sending":
                return row
            await asyncio.sleep(SETTLE_STEP)
        raise ConflictError("It is being sent at this moment: ask again in a few seconds.")

    async def cancel(self, notification_id: str) -> LedgerRow:
        """End what was not sent: the row first, which every claim heeds, then the event, which wakes a waiter."""
        for _ in range(WRITES):
            row = await self.settled(notification_id)
            if row.is_final:
                return row
            row.state, row.code, row.detail, row.failed_at = "cancelled", "cancelled", None, _now()
            try:
                await self.ledger.save(row)
            except RetryableError:
                continue
            await self._engine.raise_event(instance_of(row.id, row.round), CANCEL_EVENT, {"reason": "cancelled"})
            return row
        raise RetryableError("The notification is being worked on by others. Try again.")

    async def redrive(self, row: LedgerRow) -> bool:
        """Send a failed one again, as a new round; False when it is not failed (any more).

        Nothing goes out twice by it: of two who ask at once the row's etag lets one through.
        """
        if not _can_be_sent_again(row):
            return False
        letter, number = dead_letter(row), row.round + 1
        await self.index.list_open(Listing(delivery=row.id, user=row.user, at=_now(), round=number))
        row.state, row.code, row.detail, row.failed_at = "pending", None, None, None
        row.round, row.hub = number, self.ledger.hub
        try:
            await self.ledger.save(row)
        except RetryableError:
            return False
        # Before the start: a round that nobody started yet is found by the timer, and its letter with it.
        await self.letters.remove(letter)
        await self._start(row)
        return True

    async def redrive_letter(self, letter: DeadLetter) -> bool:
        """Send again what a letter names; one that names nothing failed, since a crash left it behind, goes."""
        row = await self.ledger.get(letter.user, letter.delivery)
        if row is not None and await self.redrive(row):
            return True
        row = await self.ledger.get(letter.user, letter.delivery)
        if row is None or not _can_be_sent_again(row) or dead_letter(row).key != letter.key:
            await self.letters.remove(letter)
        return False

    async def tidy(self, row: LedgerRow) -> None:
        """Take away the letter of an earlier round: whoever sent it again may have died before that."""
        if row.failed_before is not None:
            await self.letters.remove(dead_letter(msgspec.structs.replace(row, failed_at=row.failed_before)))

    async def recover(self, listing: Listing, now: datetime, entities: UserEntities | None = None) -> None:
        """Start what has no orchestration, close what was ended from outside, take off the list what has ended.

        What another task hub abandoned is adopted, where `entities` are given only if its person is known here.
        """
        row = await self.ledger.get(listing.user, listing.delivery)
        if row is None:
            if now - listing.at > ORPHAN_AGE:
                await self.index.unlist(listing.delivery, listing.round)
            return
        if self._is_elsewhere(row):
            if not await self._watch.adopts(listing, now, entities):
                return
            row.hub = self.ledger.hub
            await self.ledger.save(row)
        if not row.is_over(listing.round):
            row = await self._hold_against_engine(row)
        elif _can_be_sent_again(row) and row.round == listing.round:
            # Its activity was ended from outside, maybe between the row and the letter.
            await self.letters.put(dead_letter(row))
        if row.is_over(listing.round):
            await self.index.unlist(listing.delivery, listing.round)
        else:
            await self.index.list_open(msgspec.structs.replace(listing, at=_next_look(row, now)))

    async def _again(self, notification: Notification, entry: NotificationEntry, now: datetime) -> LedgerRow:
        row = await self.ledger.get(notification.user, notification.id)
        if row is None:
            # The first request died between its two writes.
            row = _opening(notification, now)
            await self.index.renew(entry, now)
            if await self.ledger.open(row):
                await self._start(row)
        elif not row.is_final and not row.tries and now - (row.created_at or now) > START_GRACE:
            row = await self._hold_against_engine(row)
        return row

    async def _start(self, row: LedgerRow, *, fresh: bool = False) -> None:
        """Start the row's round unless it runs."""
        instance, payload = instance_of(row.id, row.round), msgspec.to_builtins(row.notification)
        await self._engine.start(DELIVER, instance, payload, fresh=fresh)


def _can_be_sent_again(row: LedgerRow) -> bool:
    """Whether it failed, and what it said is there and stays."""
    return row.state == "failed" and not row.erased and not row.withdrawn


def _opening(notification: Notification, now: datetime) -> LedgerRow:
    row = new_row(notification, now)
    if row.not_before is not None and row.not_before > now:
        row.state, row.waiting_until, row.code = "waiting", row.not_before, "not-before"
    return row


def _next_look(row: LedgerRow, now: datetime) -> datetime:
    """A while after it should have moved."""
    moves = row.waiting_until if row.state == "waiting" and row.waiting_until else now
    return min(max(moves, now) + LOOK_AGAIN, now + LONGEST_UNSEEN)


def _now() -> datetime:
    return datetime.now(timezone.utc)
