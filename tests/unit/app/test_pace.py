from __future__ import annotations

import random

import pytest

from ringback.delivery.pace import MARGIN, Record, Window, earliest, forget_after, parse_windows, reserve
from ringback.errors import ConfigurationError

TEAMS = parse_windows("7/1,8/2,60/30,1800/3600", "X")


def most_within(times: list[float], seconds: float) -> int:
    first, most = 0, 0
    for number, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


@pytest.mark.parametrize("seed", range(5))
def test_no_stretch_of_time_holds_more_than_its_window_allows_even_when_messages_go_out_a_little_late(seed):
    draw = random.Random(seed)
    record, now, sent = Record(), 1_000_000.0 + draw.random() * 5000, []
    for _ in range(4000):
        now += draw.choice([0.0, 0.0, 0.01, 0.5, 3.0])
        at = earliest(record, TEAMS, now)
        assert at >= now
        reserve(record, TEAMS, at)
        sent.append(at + draw.random() * MARGIN * 0.99)
    sent.sort()
    for window in TEAMS:
        assert most_within(sent, window.seconds) <= window.count, window
    assert len(record.recent) <= 60
    assert len(record.parts[0]) <= 62


def test_what_is_allowed_at_once_is_given_at_once():
    record = Record()
    times = []
    for _ in range(8):
        times.append(earliest(record, TEAMS, 100.0))
        reserve(record, TEAMS, times[-1])
    assert times[:7] == [100.0] * 7
    assert times[7] == pytest.approx(101.0 + MARGIN)
    assert earliest(record, TEAMS, 100.0) == pytest.approx(102.0 + MARGIN)


def test_without_windows_there_is_no_wait():
    record = Record()
    for _ in range(100):
        assert earliest(record, (), 5.0) == 5.0
        reserve(record, (), 5.0)
    assert len(record.recent) == 1


@pytest.mark.parametrize("text", ["7", "7/0", "0/1", "a/b", "7/1/2", "-1/1", "7/1,", "5/nan", "5/inf"])
def test_a_malformed_limit_names_its_setting(text):
    with pytest.raises(ConfigurationError, match="THROTTLE_APP"):
        parse_windows(text, "THROTTLE_APP")


def test_limits_are_read_in_any_order_and_may_be_off():
    assert parse_windows(" 8/2, 7/1 ", "X") == (Window(7, 1.0), Window(8, 2.0))
    assert parse_windows("off", "X") == ()


def test_what_a_wrong_clock_reserved_is_forgotten_and_nothing_else():
    record = Record()
    for at in (7_000.0, 7_001.0, 7_001.0, 7_025.0):
        reserve(record, TEAMS, at)
    assert earliest(record, TEAMS, 7_002.0) == 7_025.0
    forget_after(record, TEAMS, 7_010.0)
    assert record.recent == [7_000.0, 7_001.0, 7_001.0]
    assert earliest(record, TEAMS, 7_002.0) == 7_002.0
    # 1,800 an hour is kept by the minute.
    for at in (7_030.0, 90_000.0):
        reserve(record, TEAMS, at)
    forget_after(record, TEAMS, 8_000.0)
    assert (record.recent, record.parts) == ([], [[]])
