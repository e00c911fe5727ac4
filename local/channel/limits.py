"""Teams' limits per conversation and per app: sliding windows, 429 with Retry-After.

Figures: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit, which calls them estimates.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from local.channel.errors import ChannelError

# (seconds, requests allowed within them)
SEND = ((1, 7), (2, 8), (30, 60), (3600, 1800))
READ = ((1, 14), (2, 16), (30, 120), (3600, 3600))
WINDOWS = {"send": SEND, "create": SEND, "update": SEND, "delete": SEND, "read": READ}
LONGEST = 3600
KEPT_WINDOWS = 10_000
PER_APP = ((1, 50),)


class Limits:
    """Requests of the windows past are forgotten; a refused one does not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = False
        self._clock = clock
        self._seen: dict[tuple[str, str], deque[float]] = {}

    def check(self, operation: str, conversation: str, tenant: str) -> None:
        """Count a request, or raise 429 with the seconds until it would pass."""
        if not self.enabled:
            return
        now = self._clock()
        windows = WINDOWS.get(operation, READ)
        wait = max(
            self._wait((operation, conversation), windows, now),
            self._wait(("app", tenant), PER_APP, now),
        )
        if wait > 0:
            raise throttled(wait)
        if len(self._seen) > KEPT_WINDOWS:
            self._seen = {key: seen for key, seen in self._seen.items() if seen and seen[-1] > now - LONGEST}
        for key in ((operation, conversation), ("app", tenant)):
            self._seen.setdefault(key, deque()).append(now)

    def forget(self) -> None:
        self._seen.clear()

    def _wait(self, key: tuple[str, str], windows: tuple[tuple[int, int], ...], now: float) -> float:
        seen = self._seen.get(key)
        if not seen:
            return 0.0
        longest = windows[-1][0]
        while seen and seen[0] <= now - longest:
            seen.popleft()
        wait = 0.0
        for seconds, allowed in windows:
            # The request `allowed` places back must have left this window.
            if len(seen) >= allowed and seen[-allowed] > now - seconds:
                wait = max(wait, seen[-allowed] + seconds - now)
        return wait


def throttled(seconds: float) -> ChannelError:
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return ChannelError(429, "TooManyRequests", "The bot sends too fast here: wait for Retry-After.", headers)
