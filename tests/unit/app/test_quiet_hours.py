"""Quiet hours against the clocks of every zone, most of all where those clocks jump."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ringback.delivery.quiet_hours import MAX_SPANS, Span, checked_spans, parse_span, quiet_until
from ringback.delivery.time_zones import NOT_ZONES, checked_zone, find_zone, nearest, zone_of
from ringback.errors import RequestError

UTC = timezone.utc
ZONES = sorted(available_timezones() - NOT_ZONES)
NIGHT = (parse_span("22:00-07:00"),)


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def minute_of(moment: datetime, zone: str) -> float:
    wall = moment.astimezone(ZoneInfo(zone))
    return wall.hour * 60 + wall.minute + wall.second / 60


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-20T21:59:59", None),
        ("2026-11-20T22:00", "2026-11-21T07:00"),
        ("2026-11-21T03:00", "2026-11-21T07:00"),
        ("2026-11-21T06:59:59", "2026-11-21T07:00"),
        ("2026-11-21T07:00", None),
        # The night in which Berlin's clocks go forward from 02:00 to 03:00, and the one in which they go back.
        ("2026-03-28T22:00", "2026-03-29T07:00"),
        ("2026-03-29T03:00", "2026-03-29T07:00"),
        ("2026-10-24T22:00", "2026-10-25T07:00"),
        ("2026-10-25T02:30", "2026-10-25T07:00"),
    ],
)
def test_a_night_in_berlin(now, end):
    zone = "Europe/Berlin"
    assert quiet_until(NIGHT, zone, at(now, zone)) == (at(end, zone) if end else None)


def test_the_night_of_the_jump_is_an_hour_shorter_and_that_of_the_repetition_an_hour_longer():
    zone = "Europe/Berlin"
    spring, autumn = at("2026-03-28T22:00", zone), at("2026-10-24T22:00", zone)
    assert quiet_until(NIGHT, zone, spring) - spring == timedelta(hours=8)
    assert quiet_until(NIGHT, zone, autumn) - autumn == timedelta(hours=10)


def test_an_end_that_is_skipped_is_the_moment_of_the_jump():
    zone, spans = "Europe/Berlin", (parse_span("22:00-02:30"),)
    assert quiet_until(spans, zone, at("2026-03-29T01:00", zone)) == at("2026-03-29T03:00", zone)


def test_an_end_that_comes_twice_counts_the_second_time():
    zone, spans = "Europe/Berlin", (parse_span("22:00-02:30"),)
    between = at("2026-10-25T02:45", zone)
    assert quiet_until(spans, zone, between) == at("2026-10-25T02:30", zone, fold=1)
    assert quiet_until(spans, zone, at("2026-10-25T02:30", zone, fold=1)) is None


def test_a_start_that_comes_twice_counts_the_first_time():
    zone, spans = "Europe/Berlin", (parse_span("02:30-07:00"),)
    again_before = at("2026-10-25T02:10", zone, fold=1)
    assert quiet_until(spans, zone, again_before) == at("2026-10-25T07:00", zone)


def test_a_span_that_is_skipped_whole_is_none():
    zone, spans = "Europe/Berlin", (parse_span("02:10-02:50"),)
    for text in ("2026-03-29T01:59:59", "2026-03-29T03:00"):
        assert quiet_until(spans, zone, at(text, zone)) is None


def test_a_whole_day_that_is_skipped():
    zone = "Pacific/Apia"  # had no 30 December 2011
    assert quiet_until(NIGHT, zone, at("2011-12-29T23:00", zone)) == at("2011-12-31T07:00", zone)


def test_spans_that_touch_are_one():
    spans = checked_spans([parse_span("22:00-24:00"), parse_span("00:00-07:00"), parse_span("06:30-08:00")])
    assert quiet_until(spans, "UTC", at("2026-01-01T23:00")) == at("2026-01-02T08:00")
    assert quiet_until((parse_span("12:00-13:00"), *NIGHT), "UTC", at("2026-01-01T12:30")) == at("2026-01-01T13:00")


@lru_cache(maxsize=1024)
def jumps(zone: str) -> tuple[datetime, ...]:
    """Moments, to the day, after which this zone's offset differs."""
    found, day = [], datetime(2008, 1, 1, tzinfo=UTC)
    while day.year < 2030:
        after = day + timedelta(days=1)
        if day.astimezone(ZoneInfo(zone)).utcoffset() != after.astimezone(ZoneInfo(zone)).utcoffset():
            found.append(day)
        day = after
    return tuple(found)


SPANS = st.lists(
    st.builds(Span, st.integers(0, 1439), st.integers(0, 1439)).filter(lambda span: span.start != span.end),
    min_size=1,
    max_size=4,
)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    zone = draw(st.sampled_from(ZONES))
    near = jumps(zone)
    if near and draw(st.booleans()):
        return zone, draw(st.sampled_from(near)) + timedelta(seconds=draw(st.integers(-86_400, 2 * 86_400)))
    return zone, draw(st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31))).replace(tzinfo=UTC, microsecond=0)


@settings(max_examples=400, deadline=None)
@given(moments(), SPANS)
def test_the_end_of_quiet_hours_on_any_clock(moment, spans):
    zone, now = moment
    try:
        spans = checked_spans(spans)
    except RequestError:
        assume(False)
    end = quiet_until(spans, zone, now)
    if end is None:
        assert not any(span.has(minute_of(now, zone)) for span in spans)
        return
    assert now < end < now + timedelta(hours=51)
    assert not any(span.has(minute_of(end, zone)) for span in spans)
    assert quiet_until(spans, zone, end) is None
    if end - now > timedelta(seconds=1):
        assert quiet_until(spans, zone, end - timedelta(seconds=1)) == end


@settings(max_examples=200, deadline=None)
@given(moments(), SPANS)
def test_an_end_is_the_wall_clocks_or_a_jump_over_it(moment, spans):
    zone, now = moment
    end = quiet_until(spans[:1], zone, now)
    assume(end is not None)
    before = (end - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    jumped = before.utcoffset() != end.astimezone(ZoneInfo(zone)).utcoffset()
    assert minute_of(end, zone) == spans[0].end or jumped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("22:00-07:00", "22:00-07:00"),
        ("22-7", "22:00-07:00"),
        (" 9:30 \u2013 10 ", "09:30-10:00"),
        ("2200 to 0700", "22:00-07:00"),
        ("20:00 until 24:00", "20:00-00:00"),
    ],
)
def test_spans_as_people_write_them(text, shown):
    assert str(parse_span(text)) == shown


@pytest.mark.parametrize("text", ["", "22:00", "25:00-07:00", "22:60-07:00", "a-b", "7-7", "00:00-24:00", "1-2-3"])
def test_what_is_no_span_is_refused_by_name(text):
    with pytest.raises(RequestError) as caught:
        parse_span(text)
    assert caught.value.field == "preferences.quietHours"


def test_quiet_hours_leave_some_time_and_are_not_endless():
    with pytest.raises(RequestError, match="leave less than"):
        checked_spans([parse_span("00:00-12:00"), parse_span("12:00-24:00")])
    with pytest.raises(RequestError, match="There may be"):
        checked_spans([Span(minute, minute + 1) for minute in range(MAX_SPANS + 1)])
    with pytest.raises(RequestError, match="within"):
        checked_spans([Span(-5, 5000)])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" Berlin ", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_zones_as_people_write_them(text, name):
    assert checked_zone(text) == name


def test_an_unknown_zone_suggests_the_nearest():
    with pytest.raises(RequestError, match="Did you mean Europe/Berlin") as caught:
        checked_zone("Europe/Berlyn")
    assert caught.value.field == "preferences.timeZone"
    assert "Asia/Kolkata" in nearest("Kolkatta")
    assert find_zone("louisville") is None
    assert set(nearest("louisville")) >= {"America/Louisville", "America/Kentucky/Louisville"}


@pytest.mark.parametrize("text", ["", "../etc/passwd", "localtime", "\x00", "x" * 5000])
def test_what_is_no_zone_is_refused(text):
    with pytest.raises(RequestError):
        checked_zone(text)


@pytest.mark.parametrize("name", ["", "Gone/Zone", "../x", "\x00"])
def test_a_stored_zone_that_is_no_more_never_stops_the_gate(name):
    assert zone_of(name).key == "UTC"
