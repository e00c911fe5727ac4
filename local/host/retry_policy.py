"""Retry policies that a function declares (`@app.retry`): fixed delay or exponential backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from local.host.clock import Clock
from local.host.functions import Function
from local.host.invocation import RetryContext
from local.host.settings import SettingsError, timespan

# Queues retry by visibility, HTTP answers its caller, durable functions have policies of their own.
WITHOUT = {"httpTrigger", "queueTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger"}


class Pauses:
    """The waits between retries. A clock that stands still lets them end only when it has moved far enough."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[asyncio.Event, tuple[int, asyncio.Task[Any] | None]] = {}
        """When each wait ends, and the task that waits."""

    async def wait(self, seconds: float) -> None:
        if seconds <= 0 or not self._clock.is_frozen:
            await asyncio.sleep(seconds)
            return
        due = self._clock.micros() + round(seconds * 1_000_000)
        moved = asyncio.Event()
        self._waiting[moved] = due, asyncio.current_task()
        try:
            while self._clock.micros() < due:
                moved.clear()
                await moved.wait()
        finally:
            del self._waiting[moved]

    def holds(self, task: asyncio.Task[None]) -> bool:
        """Does the task wait here?"""
        return any(waiting is task for _, waiting in self._waiting.values())

    def next_due(self) -> int | None:
        return min((due for due, _ in self._waiting.values()), default=None)

    def clock_moved(self) -> None:
        for moved in self._waiting:
            moved.set()

    def is_idle(self) -> bool:
        return True


@dataclass(frozen=True)
class RetryPolicy:
    """`most` retries, or without end below zero; pauses in seconds."""

    most: int
    first: float
    longest: float
    growing: bool

    @classmethod
    def of(cls, function: Function) -> RetryPolicy | None:
        """The function's policy, or None. Raises SettingsError for a count or an interval that is none."""
        policy = function.retry
        if policy is None or function.kind in WITHOUT:
            return None
        growing = str(policy.get("strategy", "")).lower() == "exponential_backoff"
        first = str(policy.get("minimum_interval" if growing else "delay_interval") or "00:00:00")
        longest = str(policy.get("maximum_interval") or first)
        return cls(
            _count(policy.get("max_retry_count") or 0),
            timespan(first).total_seconds(),
            timespan(longest).total_seconds(),
            growing,
        )

    def pause(self, attempt: int) -> float:
        """Seconds before retry `attempt`, counted from 1."""
        # Beyond this power an endless policy would overflow a float.
        return min(self.longest, self.first * 2 ** min(attempt - 1, 60)) if self.growing else self.first

    async def run(self, call: Callable[[RetryContext], Awaitable[None]], pauses: Pauses) -> None:
        """Call until it succeeds or the retries are used up; the last failure is raised."""
        attempt = 0
        while True:
            try:
                return await call(RetryContext(attempt, self.most))
            except Exception:
                attempt += 1
                if 0 <= self.most < attempt:
                    raise
            await pauses.wait(self.pause(attempt))


def _count(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise SettingsError(f"max_retry_count is {value!r}; it must be a whole number, -1 for no end") from None
