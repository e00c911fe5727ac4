"""Leases of sends, so that all processes together keep a channel's limits.

Two keys a message: the app with its tenant, and the conversation. The record of a key is a table row; a process
reserves for all that wait in it, by one write that its ETag guards. While a process is busy with one app it takes some
slots ahead, a block, so that most messages need no write of their own.
"""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec

from ringback import ids
from ringback.delivery.pace import LATE, Record, Window, earliest, forget_after, reserve
from ringback.delivery.reference import Reference
from ringback.settings import Settings
from ringback.tables.service import Tables
from ringback.tables.throttle import ThrottleTable

# How long a sender waits in its activity; for more it gives up its place to others and comes back.
APP_PATIENCE = 5.0
CONVERSATION_PATIENCE = 0.1
BUSY_SECONDS = 0.5
# What is reserved further ahead than this, over all patience, comes from a clock that went wrong.
CLOCKS_DIFFER = 30.0
TRIES = 12
KEYS = 10_000


class ThrottledError(Exception):
    """There is no slot within the sender's patience; `seconds` until there may be one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no slot for {seconds:.1f} s")
        self.seconds = seconds


class Limit(msgspec.Struct, frozen=True):
    """A key with its windows, the patience of those who wait for it, and how many slots are taken ahead."""

    key: str
    windows: tuple[Window, ...]
    patience: float
    block: int = 0

    @property
    def spacing(self) -> float:
        """Seconds between two slots of a block."""
        return self.windows[0].seconds / self.windows[0].count

    @property
    def reach(self) -> float:
        """How many seconds ahead anybody reserves whose clock is about right."""
        return self.patience + 2 * self.block * self.spacing + CLOCKS_DIFFER


class Shelf:
    """What this process knows of one key: the row as it was last seen, slots left of a block, and who waits."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.etag: str | None = None
        self.left: deque[float] = deque()
        self.waiting: list[asyncio.Future[float]] = []
        self.lock = asyncio.Lock()
        self.written = 0.0


class Throttle:
    """The leases of one event loop."""

    def __init__(self, table: ThrottleTable, config: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._config = config
        self._clock = clock
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()

    async def lease(self, reference: Reference) -> float:
        """Return when a message to this conversation may go out, and until when: the clock's time of the latest start.

        Raises ThrottledError.
        """
        app, conversation = self._limits(reference)
        self._look_ahead(conversation)
        first = await self._slot(app)
        await self._until(first)
        second = await self._slot(conversation)
        await self._until(second)
        return min(first, second) + LATE

    async def lease_create(self, tenant_id: str) -> None:
        """Return when a conversation with somebody of this tenant may be opened. Raises ThrottledError."""
        bot, throttle = self._config.bot, self._config.throttle
        key = ids.digest("throttle-create", bot.app_id, tenant_id)
        create = Limit(key, throttle.create, CONVERSATION_PATIENCE)
        self._look_ahead(create)
        await self._until(await self._slot(self._app(tenant_id)))
        await self._until(await self._slot(create))

    def late(self, deadline: float) -> bool:
        """Whether a lease has run out."""
        return self._clock() > deadline

    def _limits(self, reference: Reference) -> tuple[Limit, Limit]:
        there = ids.digest("throttle-conversation", reference.channel_id, reference.conversation_id)
        conversation = Limit(there, self._config.throttle.conversation, CONVERSATION_PATIENCE)
        return self._app(reference.tenant_id or reference.channel_id), conversation

    def _app(self, whose: str) -> Limit:
        """All that the bot asks of the channel for one tenant."""
        throttle = self._config.throttle
        return Limit(
            ids.digest("throttle-app", self._config.bot.app_id, whose), throttle.app, APP_PATIENCE, throttle.block
        )

    def _look_ahead(self, limit: Limit) -> None:
        """No slot of the app is wasted on a conversation that is known to be full."""
        shelf = self._shelves.get(limit.key)
        if shelf is not None and shelf.record is not None:
            now = self._clock()
            record = _as_of(shelf.record, limit, now)
            wait = earliest(record, limit.windows, now) - now
            if wait > limit.patience:
                raise ThrottledError(_spread(wait))

    async def _until(self, at: float) -> None:
        wait = at - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _slot(self, limit: Limit) -> float:
        if not limit.windows:
            return self._clock()
        shelf = self._shelf(limit.key)
        now = self._clock()
        while shelf.left:
            slot = shelf.left.popleft()
            if now - LATE / 2 <= slot <= now + limit.reach:
                return slot
        mine: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        shelf.waiting.append(mine)
        async with shelf.lock:
            if not mine.done():
                waiting, shelf.waiting = shelf.waiting, []
                try:
                    await self._reserve(limit, shelf, waiting)
                except BaseException as error:  # noqa: BLE001  all that wait must hear of it
                    _fail(waiting, error)
        return await mine

    async def _reserve(self, limit: Limit, shelf: Shelf, waiting: list[asyncio.Future[float]]) -> None:
        """Give a slot to each that waits, as far as patience reaches."""
        for turn in range(TRIES):
            if shelf.record is None:
                shelf.record, shelf.etag = await self._table.get(limit.key)
            now = self._clock()
            record = _as_of(shelf.record, limit, now)
            slots, beyond = _take(record, limit, now, len(waiting))
            ahead = self._block(record, limit, now) if not beyond and now - shelf.written < BUSY_SECONDS else []
            if slots:
                etag = await self._table.put(limit.key, record, shelf.etag)
                if etag is None:
                    shelf.record = None
                    await asyncio.sleep(random.random() * 0.01 * (turn + 1))  # noqa: S311  spreads rivals
                    continue
                shelf.record, shelf.etag, shelf.written = record, etag, now
            shelf.left.extend(ahead)
            for future, slot in zip(waiting, slots, strict=False):
                _set(future, slot)
            _fail(waiting[len(slots) :], ThrottledError(_spread(beyond)))
            return
        raise ThrottledError(_spread(1.0))

    def _block(self, record: Record, limit: Limit, now: float) -> list[float]:
        """Slots taken ahead, spaced so that they fall due while the process is likely to need them."""
        slots: list[float] = []
        for number in range(limit.block):
            at = earliest(record, limit.windows, now + (number + 1) * limit.spacing)
            if at > now + 2 * limit.block * limit.spacing:
                break
            reserve(record, limit.windows, at)
            slots.append(at)
        return slots

    def _shelf(self, key: str) -> Shelf:
        shelf = self._shelves.setdefault(key, Shelf())
        self._shelves.move_to_end(key)
        if len(self._shelves) > KEYS:
            oldest = next(iter(self._shelves))
            if not self._shelves[oldest].lock.locked():
                del self._shelves[oldest]
        return shelf


def _as_of(record: Record, limit: Limit, now: float) -> Record:
    """A copy of what was sent and reserved, as far as that can be true."""
    found = copy.deepcopy(record)
    forget_after(found, limit.windows, now + limit.reach)
    return found


def _take(record: Record, limit: Limit, now: float, count: int) -> tuple[list[float], float]:
    """Slots for `count` messages within the limit's patience; and the seconds that the next one would have to wait."""
    slots: list[float] = []
    for _ in range(count):
        at = earliest(record, limit.windows, now)
        if at - now > limit.patience:
            return slots, at - now
        reserve(record, limit.windows, at)
        slots.append(at)
    return slots, 0.0


def _spread(seconds: float) -> float:
    """Not all that were turned away come back at the same moment."""
    return max(0.1, seconds) * (1.0 + random.random())  # noqa: S311  no secret


def _set(future: asyncio.Future[float], slot: float) -> None:
    if not future.done():
        future.set_result(slot)


def _fail(waiting: list[asyncio.Future[float]], error: BaseException) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)


_throttles: WeakKeyDictionary[asyncio.AbstractEventLoop, Throttle] = WeakKeyDictionary()


def throttle(tables: Tables, config: Settings) -> Throttle:
    """The leases of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _throttles.get(loop)
    if found is None:
        found = _throttles[loop] = Throttle(ThrottleTable(tables), config)
    return found
