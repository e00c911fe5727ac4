"""The host's time: UTC microseconds since 1970, never going backwards within a process."""

from __future__ import annotations

import datetime as dt
import threading
import time

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: its isoformat carries no offset
EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
MICROSECOND = dt.timedelta(microseconds=1)


class Clock:
    """Real time, plus an offset that only a test clock moves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._offset = 0
        self._frozen: int | None = None

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    def micros(self) -> int:
        """Microseconds since 1970, at least as late as every earlier answer."""
        now = time.time_ns() // 1000 + self._offset if self._frozen is None else self._frozen
        with self._lock:
            self._last = max(self._last, now)
            return self._last

    def now(self) -> dt.datetime:
        return from_micros(self.micros())

    def freeze(self, micros: int) -> None:
        """Stand still at `micros`; a test clock moves only when it is told to. Never moves backwards."""
        with self._lock:
            self._last = max(self._last, micros)
            self._frozen = self._last


def from_micros(micros: int) -> dt.datetime:
    return EPOCH_UTC + dt.timedelta(microseconds=micros)


def to_micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 of an aware datetime; a naive one counts as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return (moment - EPOCH_UTC) // MICROSECOND


def stamp(micros: int) -> str:
    """`2025-01-01T10:00:00.123456Z`: always six digits, which `parse` reads fastest."""
    return (EPOCH + dt.timedelta(microseconds=micros)).isoformat(timespec="microseconds") + "Z"


def seconds_stamp(micros: int) -> str:
    """`2025-01-01T10:00:00Z`, as the management API writes times."""
    return (EPOCH + dt.timedelta(microseconds=micros)).isoformat(timespec="seconds") + "Z"


def parse(text: str) -> dt.datetime:
    """The aware datetime of an ISO 8601 text; without an offset it counts as UTC. Raises ValueError.

    Python 3.10's `fromisoformat` knows neither `Z` nor fractions of other than three or six digits.
    """
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = dt.datetime.fromisoformat(_six_digits(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


def _six_digits(text: str) -> str:
    head, dot, tail = text.partition(".")
    if not dot:
        raise ValueError(f"not an ISO 8601 time: {text!r}")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    if not digits:
        raise ValueError(f"not an ISO 8601 time: {text!r}")
    return f"{head}.{digits[:6]:0<6}{tail[len(digits) :]}"
