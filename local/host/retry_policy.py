"""Retry policies that a function declares (`@app.retry`): fixed delay or exponential backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local.host.functions import Function
from local.host.invocation import RetryContext
from local.host.settings import timespan

# Queues retry by visibility, HTTP answers its caller, durable functions have policies of their own.
WITHOUT = {"httpTrigger", "queueTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger"}


@dataclass(frozen=True)
class RetryPolicy:
    """`most` retries, or without end below zero; pauses in seconds."""

    most: int
    first: float
    longest: float
    growing: bool

    @classmethod
    def of(cls, function: Function) -> RetryPolicy | None:
        """The function's policy, or None. Raises SettingsError for an interval that is none."""
        policy = function.retry
        if policy is None or function.kind in WITHOUT:
            return None
        growing = str(policy.get("strategy", "")).lower() == "exponential_backoff"
        first = str(policy.get("minimum_interval" if growing else "delay_interval") or "00:00:00")
        longest = str(policy.get("maximum_interval") or first)
        return cls(
            int(policy.get("max_retry_count") or 0),
            timespan(first).total_seconds(),
            timespan(longest).total_seconds(),
            growing,
        )

    def pause(self, attempt: int) -> float:
        """Seconds before retry `attempt`, counted from 1."""
        return min(self.longest, self.first * 2 ** (attempt - 1)) if self.growing else self.first

    async def run(self, call: Callable[[RetryContext], Awaitable[None]]) -> None:
        """Call until it succeeds or the retries are used up; the last failure is raised."""
        attempt = 0
        while True:
            try:
                return await call(RetryContext(attempt, self.most))
            except Exception:
                attempt += 1
                if 0 <= self.most < attempt:
                    raise
            await asyncio.sleep(self.pause(attempt))
