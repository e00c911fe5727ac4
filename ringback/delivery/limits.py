"""The token bucket that keeps the bot from flooding one person."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    """A person's allowance: `tokens` left at time `at`; `promised` is the last time that somebody was sent away to."""

    tokens: float
    at: datetime
    promised: datetime | None = None


class Rate(msgspec.Struct, frozen=True):
    """A burst of `capacity` messages, refilled by one every `interval`."""

    capacity: int = 20
    interval: timedelta = timedelta(seconds=3)


def take(bucket: Bucket | None, rate: Rate, now: datetime) -> tuple[Bucket, datetime | None]:
    """Take one token: the new bucket, and None, or the time to ask again when there is no token left.

    Those who are sent away get times one interval apart, so that each finds a token when it comes back: were all told
    the same time, all but one would come in vain. A clock that runs backwards refills nothing.
    """
    if bucket is None:
        return Bucket(rate.capacity - 1.0, now), None
    elapsed = max(timedelta(0), now - bucket.at)
    tokens = min(float(rate.capacity), bucket.tokens + elapsed / rate.interval)
    at = max(now, bucket.at)
    if tokens >= 1.0:
        return Bucket(tokens - 1.0, at, bucket.promised), None
    # One millisecond over, so that rounding cannot leave the next asker a hair short.
    again = at + (1.0 - tokens) * rate.interval + timedelta(milliseconds=1)
    if bucket.promised is not None and bucket.promised >= at:
        again = max(again, bucket.promised + rate.interval)
    return Bucket(tokens, at, again), again
