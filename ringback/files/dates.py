"""Dates as spreadsheets write them.

Read: year-month-day with -, / or .; day.month.year; and day/month/year or month/day/year with / or -, where the whole
column decides which. Each may have a time after it, with seconds, a fraction, AM or PM, and Z or an offset (brought to
UTC). Two-digit years and names of months are not read: they are text.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import msgspec

CLOCK = (
    r"(?:[T ] *(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?: *([AaPp])\.?[Mm]\.?)?"
    r" *(?:(Z|z|UTC)|([+-])(\d{2}):?(\d{2}))?)?"
)
YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})" + CLOCK, re.ASCII)
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})" + CLOCK, re.ASCII)
Groups = tuple["str | None", ...]


class Moment(msgspec.Struct, frozen=True, gc=False):
    """The readings of one cell, each sortable as text ("" = not so); `timed` when it has a time of day."""

    year_first: str = ""
    day_first: str = ""
    month_first: str = ""
    timed: bool = False


def read_moment(text: str) -> Moment | None:
    """The possible readings of `text` as a date, or None."""
    found = YEAR_FIRST.fullmatch(text)
    if found:
        year, _, month, day, *clock = found.groups()
        stamp = _stamp((year, month, day), tuple(clock))
        return Moment(year_first=stamp, timed=clock[0] is not None) if stamp else None
    found = YEAR_LAST.fullmatch(text)
    if not found:
        return None
    first, mark, second, year, *clock = found.groups()
    by_day = _stamp((year, second, first), tuple(clock))
    by_month = "" if mark == "." else _stamp((year, first, second), tuple(clock))
    if not by_day and not by_month:
        return None
    return Moment(day_first=by_day, month_first=by_month, timed=clock[0] is not None)


def shown(stamp: str) -> str:
    """A stamp for people: without a fraction of zero."""
    return stamp.replace(".000000", "")


def _stamp(date: Groups, clock: Groups) -> str:
    """ISO text whose order is that of time, or "" when there is no such moment."""
    year, month, day = (int(part or 0) for part in date)
    hour, minute, second, fraction, half, zulu, sign, offset_hours, offset_minutes = clock
    try:
        if hour is None:
            return datetime(year, month, day, tzinfo=timezone.utc).date().isoformat()
        micro = int((fraction or "0").ljust(6, "0")[:6])
        moment = datetime(year, month, day, _hour(int(hour), half), int(minute or 0), int(second or 0), micro)  # noqa: DTZ001 - a cell often has no zone
        if sign:
            offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
            moment = moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="microseconds") + ("Z" if zulu or sign else "")


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half in "Pp" else 0)
