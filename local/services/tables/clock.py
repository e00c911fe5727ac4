"""Times as the service counts them: ticks of 100 ns, here since 1970; a tick also makes the ETag."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import quote, unquote

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*([Zz]|[+-]\d\d:\d\d)?$", re.ASCII
)
_WEAK_ETAG = re.compile(r'[Ww]/"[^"]*"$')
_TICKS_PER_SECOND = 10_000_000


def now_ticks() -> int:
    return time.time_ns() // 100


def parse_ticks(text: str) -> int:
    """Ticks of an ISO 8601 moment, UTC when it names no offset; raises ValueError."""
    found = _MOMENT.match(text.strip())
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=timezone.utc)
    if zone and zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        moment -= offset if zone[0] == "+" else -offset
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * _TICKS_PER_SECOND + int((fraction or "0")[:7].ljust(7, "0"))


def format_ticks(ticks: int, *, trimmed: bool = False) -> str:
    """ISO 8601 in UTC with seven decimals; `trimmed` drops the zeros at their end, as the service does for values."""
    seconds, fraction = divmod(ticks, _TICKS_PER_SECOND)
    moment = _format_second(seconds)
    if not trimmed:
        return f"{moment}.{fraction:07d}Z"
    decimals = f"{fraction:07d}".rstrip("0")
    return f"{moment}.{decimals}Z" if decimals else f"{moment}Z"


@lru_cache(maxsize=1024)
def _format_second(seconds: int) -> str:
    # Most versions and times that are written are of one and the same second: now.
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def etag(ticks: int) -> str:
    return f"W/\"datetime'{quote(format_ticks(ticks), safe='')}'\""


def is_etag(text: str) -> bool:
    return bool(_WEAK_ETAG.match(text))


def same_etag(given: str, ticks: int) -> bool:
    """Whether an If-Match value names this version; some clients decode or re-encode the colons."""
    return unquote(given[1:]) == unquote(etag(ticks)[1:])
