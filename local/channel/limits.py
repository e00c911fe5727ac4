"""Teams' limits per conversation and per app: sliding windows, 429 with Retry-After.

Figures: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit, which calls them estimates.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from local.channel.errors import ChannelError, bad_argument

# Requests allowed within so many seconds; none are counted where 0 are allowed.
Windows = dict[int, int]
FIGURES: dict[str, Windows] = {
    "send": {1: 7, 2: 8, 30: 60, 3600: 1800},
    "create": {1: 7, 2: 8, 30: 60, 3600: 1800},
    "read": {1: 14, 2: 16, 30: 120, 3600: 3600},
    "app": {1: 50},
}
# Each of these counts for itself; whatever else the bot calls is a read.
FIGURES_OF = {"send": "send", "update": "send", "delete": "send", "create": "create"}
LONGEST_WINDOW = 24 * 3600
KEPT_WINDOWS = 10_000


class Limits:
    """Requests of the windows past are forgotten; a refused one does not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = False
        self.figures = {name: dict(windows) for name, windows in FIGURES.items()}
        self._clock = clock
        self._seen: dict[tuple[str, str], deque[float]] = {}
        self._crowded = KEPT_WINDOWS

    def change(self, asked: dict[str, Any]) -> None:
        """Take `enabled` and figures, `{"send": {"1": 7}}`; those not named stay. Raises 400 for what is neither."""
        enabled = asked.get("enabled", self.enabled)
        if not isinstance(enabled, bool):
            raise bad_argument("'enabled' must be true or false.")
        figures = {name: dict(windows) for name, windows in self.figures.items()}
        for name, windows in asked.items():
            if name != "enabled":
                if name not in figures or not isinstance(windows, dict):
                    raise bad_argument(f"{name!r}: there are 'enabled' and, as objects, {', '.join(figures)}.")
                for seconds, count in windows.items():
                    figures[name][_seconds(name, seconds)] = _count(name, seconds, count)
        self.enabled, self.figures = enabled, figures
        self._seen.clear()

    def view(self) -> dict[str, Any]:
        figures = {name: {str(key): windows[key] for key in sorted(windows)} for name, windows in self.figures.items()}
        return {"enabled": self.enabled, **figures}

    def check(self, operation: str, conversation: str, tenant: str) -> None:
        """Count a request, or raise 429 with the seconds until it would pass."""
        if not self.enabled:
            return
        now = self._clock()
        name = FIGURES_OF.get(operation, "read")
        bucket = operation if operation in FIGURES_OF else "read"
        # What is made has no conversation yet: it is counted in its tenant.
        place = conversation or f"tenant {tenant}"
        counted = [((bucket, place), self.figures[name]), (("app", tenant), self.figures["app"])]
        wait = max(self._wait(key, windows, now) for key, windows in counted)
        if wait > 0:
            raise throttled(wait)
        if len(self._seen) > self._crowded:
            longest = max(max(windows, default=0) for windows in self.figures.values())
            self._seen = {key: seen for key, seen in self._seen.items() if seen and seen[-1] > now - longest}
            # Where many conversations are busy, looking through them all at every request would be slow.
            self._crowded = max(KEPT_WINDOWS, 2 * len(self._seen))
        for key, windows in counted:
            if any(windows.values()):
                self._seen.setdefault(key, deque()).append(now)

    def _wait(self, key: tuple[str, str], windows: Windows, now: float) -> float:
        seen = self._seen.get(key)
        if not seen:
            return 0.0
        longest = max(seconds for seconds, allowed in windows.items() if allowed)
        while seen and seen[0] <= now - longest:
            seen.popleft()
        wait = 0.0
        for seconds, allowed in windows.items():
            # The request `allowed` places back must have left this window.
            if allowed and len(seen) >= allowed and seen[-allowed] > now - seconds:
                wait = max(wait, seen[-allowed] + seconds - now)
        return wait


def parse(text: str) -> dict[str, Any]:
    """A figure as an option: `send/30=100`, at most 100 sends to a conversation within 30 seconds; raises 400."""
    left, equals, count = text.partition("=")
    name, slash, seconds = left.partition("/")
    if not equals or not slash or not count.strip().isdecimal():
        raise bad_argument(f"{text!r} is no limit: write WHAT/SECONDS=COUNT, for instance send/30=100.")
    return {name.strip(): {seconds.strip(): int(count)}}


def _seconds(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= LONGEST_WINDOW):
        raise bad_argument(f"'{name}' has no window of {text[:20]!r} seconds: give 1 to {LONGEST_WINDOW}.")
    return int(text)


def _count(name: str, seconds: str, count: Any) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise bad_argument(f"'{name}.{seconds}' must be a whole number of requests, 0 for no limit.")
    return count


def throttled(seconds: float) -> ChannelError:
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return ChannelError(429, "TooManyRequests", "The bot sends too fast here: wait for Retry-After.", headers)
