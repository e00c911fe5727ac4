from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ringback.delivery.limits import Rate, take

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
RATE = Rate(capacity=3, interval=timedelta(seconds=10))


def test_a_burst_passes_and_the_next_one_waits_for_its_token():
    bucket = None
    for _ in range(3):
        bucket, again = take(bucket, RATE, NOW)
        assert again is None
    bucket, again = take(bucket, RATE, NOW)
    assert again is not None
    assert timedelta(seconds=10) <= again - NOW < timedelta(seconds=10.01)
    _, again = take(bucket, RATE, again)
    assert again is None


def test_a_crowd_is_sent_away_to_times_of_its_own():
    bucket, due, turns = None, [], 0
    for _ in range(50):
        bucket, again = take(bucket, RATE, NOW)
        if again is not None:
            due.append(again)
    assert len(due) == 47
    assert len(set(due)) == 47
    while due:
        now = min(due)
        due.remove(now)
        bucket, again = take(bucket, RATE, now)
        turns += 1
        if again is not None:
            due.append(again)
    assert turns == 47


def test_a_clock_that_runs_backwards_refills_nothing():
    bucket, _ = take(None, RATE, NOW)
    back, _ = take(bucket, RATE, NOW - timedelta(days=1))
    assert back.tokens == bucket.tokens - 1
    assert back.at == NOW


@given(st.lists(st.floats(0, 30), max_size=60))
def test_no_span_of_time_sees_more_than_burst_plus_refill(gaps):
    now, bucket, passed = NOW, None, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        bucket, again = take(bucket, RATE, now)
        if again is None:
            passed.append(now)
        else:
            assert again > now
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            allowed = RATE.capacity + (passed[last] - start) / RATE.interval
            assert last - first + 1 <= allowed + 1e-6
