from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.files.dates import read_moment, shown


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024/2/9", "2024-02-09"),
        ("2024.12.01", "2024-12-01"),
        ("2024-02-29T10:05", "2024-02-29T10:05:00"),
        ("2024-02-29 10:05:06.25", "2024-02-29T10:05:06.250000"),
        ("2024-02-29T23:30:00Z", "2024-02-29T23:30:00Z"),
        ("2024-02-29T23:30:00+02:00", "2024-02-29T21:30:00Z"),
        ("2024-02-29T23:30:00-0100", "2024-03-01T00:30:00Z"),
        ("2024-02-29 23:30:00 UTC", "2024-02-29T23:30:00Z"),
        ("2024-02-29 12:30 AM", "2024-02-29T00:30:00"),
        ("2024-02-29 1:30 pm", "2024-02-29T13:30:00"),
    ],
)
def test_year_first(text, stamp):
    assert shown(read_moment(text).year_first) == stamp


@pytest.mark.parametrize(
    ("text", "day_first", "month_first"),
    [
        ("5.1.2024", "2024-01-05", ""),
        ("13/1/2024", "2024-01-13", ""),
        ("1/13/2024", "", "2024-01-13"),
        ("2/1/2024", "2024-01-02", "2024-02-01"),
        ("02-01-2024", "2024-01-02", "2024-02-01"),
    ],
)
def test_year_last(text, day_first, month_first):
    moment = read_moment(text)
    assert (moment.day_first, moment.month_first) == (day_first, month_first)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2024-13-01",
        "31.2.2024",
        "13/13/2024",
        "0000-01-01",
        "2024-1/1",
        "24-01-01",
        "2024-01-01T25:00",
        "2024-01-01T10:60",
        "2024-01-01 13:00 PM",
        "2024-01-01 0:30 am",
        "0001-01-01T00:00+10:00",
        "2024-01-01T10",
        "5",
    ],
)
def test_no_dates(text):
    assert read_moment(text) is None


@given(st.dates())
def test_every_date(day: date):
    assert read_moment(day.isoformat()).year_first == day.isoformat()


@given(st.lists(st.datetimes(timezones=st.just(timezone.utc)), min_size=2))
def test_stamps_sort_as_time_does(moments: list[datetime]):
    stamps = [read_moment(moment.isoformat()).year_first for moment in moments]
    assert sorted(stamps) == [read_moment(moment.isoformat()).year_first for moment in sorted(moments)]
