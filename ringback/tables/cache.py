"""What a process remembers of rows that it reads again and again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TtlCache(Generic[Key, Value]):
    """At most `size` entries, each for `seconds`; the one that was not asked for longest gives way."""

    def __init__(self, seconds: float, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._size, self._clock = seconds, size, clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._reading: dict[Key, object] = {}
        self.hits = self.misses = 0

    def get(self, key: Key) -> Value | None:
        """The value, or None when it was never put here, was pushed out or is too old."""
        found = self._entries.get(key)
        if found is not None and found[0] > self._clock():
            self._entries.move_to_end(key)
            self.hits += 1
            return found[1]
        self._entries.pop(key, None)
        self.misses += 1
        return None

    async def read(
        self, key: Key, load: Callable[[], Awaitable[Value | None]], keeps: Callable[[Value], bool] = lambda _: True
    ) -> Value | None:
        """The value, or what `load` finds: kept if it may be, and was neither written nor dropped while it was read."""
        found = self.get(key)
        if found is not None:
            return found
        mark = self._reading[key] = object()
        try:
            found = await load()
            if found is not None and self._reading.get(key) is mark and keeps(found):
                self.put(key, found)
        finally:
            if self._reading.get(key) is mark:
                del self._reading[key]
        return found

    def put(self, key: Key, value: Value) -> None:
        """Keep a value from now on."""
        self._reading.pop(key, None)
        self._entries[key] = self._clock() + self._seconds, value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def take(self, key: Key) -> Value | None:
        """As `get`, and then it is here no more."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def drop(self, fits: Callable[[Key, Value], bool]) -> None:
        """Forget every entry that fits; what is being read in this moment may be one, and is not kept."""
        self._reading.clear()
        for key in [key for key, (_, value) in self._entries.items() if fits(key, value)]:
            del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)
