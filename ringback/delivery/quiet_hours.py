"""Quiet hours: the times of day, on a person's own clock, in which nothing may disturb them.

A span runs from the first moment that its wall-clock start is reached to the last moment that its end is: where clocks
go back and a time comes twice, the person is left in peace until it has come for the second time; where they go
forward and a time is skipped, the moment of the jump stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from ringback.delivery.time_zones import zone_of
from ringback.errors import RequestError

CLOCK = re.compile(r"([01]?\d|2[0-3])(?::?([0-5]\d))?|24(?::?00)?")
# Phones make a dash longer.
SPAN = re.compile(r"\s*([0-9:]+)\s*(?:[-\u2013\u2014]|to|until)\s*([0-9:]+)\s*", re.IGNORECASE)
MAX_SPANS = 8
DAY_MINUTES = 24 * 60
# Somebody who is never to be written to opts out; quiet hours only defer.
LEAST_OPEN_MINUTES = 30
# A date line that moves takes away or repeats a whole day.
DAYS_AROUND = range(-2, 3)


class Span(msgspec.Struct, frozen=True):
    """Minutes after local midnight, start inclusive, end exclusive; an end before the start is on the next day."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_shown(self.start)}-{_shown(self.end)}"

    def has(self, minute: float) -> bool:
        """Whether a wall clock that shows this minute of the day is inside."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def parse_span(text: str, field: str = "preferences.quietHours") -> Span:
    """`22:00-07:00`, `22-7`, `22:00 to 07:00`; RequestError says what is wrong with anything else."""
    found = SPAN.fullmatch(text)
    clocks = [CLOCK.fullmatch(part) for part in found.groups()] if found else []
    if not clocks or not all(clocks):
        raise RequestError(f"{text[:40]!r} is no span of time: write it as 22:00-07:00.", field=field)
    start, end = (_minutes(clock) for clock in clocks if clock)
    if start == end:
        raise RequestError(
            f"{text[:40]!r} is a whole day: quiet hours end some time. Say stop to get nothing.", field=field
        )
    return Span(start, end)


def checked_spans(spans: Sequence[Span], field: str = "preferences.quietHours") -> tuple[Span, ...]:
    """The spans without doubles, or RequestError when they are too many or leave no time to write."""
    kept = tuple(dict.fromkeys(spans))
    if len(kept) > MAX_SPANS:
        raise RequestError(f"There may be {MAX_SPANS} spans of quiet hours; these are {len(kept)}.", field=field)
    if any(not (0 <= span.start < DAY_MINUTES and 0 <= span.end < DAY_MINUTES) for span in kept):
        raise RequestError("A span of quiet hours lies within 00:00 and 24:00.", field=field)
    opened = sum(not any(span.has(minute) for span in kept) for minute in range(DAY_MINUTES))
    if opened < LEAST_OPEN_MINUTES:
        message = f"These quiet hours leave less than {LEAST_OPEN_MINUTES} minutes of the day. Say stop to get nothing."
        raise RequestError(message, field=field)
    return kept


def quiet_until(spans: Sequence[Span], zone: str, now: datetime) -> datetime | None:
    """When the quiet time that `now` lies in ends, in UTC; None when it lies in none. Spans that touch are one."""
    if not spans:
        return None
    found = zone_of(zone)
    today = now.astimezone(found).date()
    intervals = sorted(interval for span in spans for interval in _intervals(span, today, found))
    end = now
    for start, stop in intervals:
        if start <= end < stop:
            end = stop
    return None if end == now else end


def _intervals(span: Span, today: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    over_midnight = timedelta(days=span.end <= span.start)
    for days in DAYS_AROUND:
        day = today + timedelta(days=days)
        start, stop = _first(day, span.start, zone), _last(day + over_midnight, span.end, zone)
        if start < stop:
            yield start, stop


def _first(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The first moment at which a local clock shows that time, or the jump over it."""
    return _instant(day, minute, zone, fold=0)


def _last(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The last moment at which a local clock reaches that time, or the jump over it."""
    return _instant(day, minute, zone, fold=1)


def _instant(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> datetime:
    wall = datetime.combine(day, time(*divmod(minute, 60)))
    instant = wall.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # PEP 495: in a gap fold=1 gives an instant before the jump, and fold=0 one after it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(timezone.utc)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(timezone.utc)
    return _jump(before, after, zone)


def _jump(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first whole second after `before` at which the offset has changed."""
    offset = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _minutes(clock: re.Match[str]) -> int:
    if clock[1] is None:
        return 0
    return int(clock[1]) * 60 + int(clock[2] or 0)


def _shown(minute: int) -> str:
    return "{:02}:{:02}".format(*divmod(minute, 60))
