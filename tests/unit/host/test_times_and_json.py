from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host import jsontext
from local.host.clock import Clock, from_micros, parse, seconds_stamp, stamp, to_micros

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-01T10:00:00Z", dt.datetime(2025, 1, 1, 10, tzinfo=UTC)),
        ("2025-01-01T10:00:00.1234567Z", dt.datetime(2025, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2025-01-01T10:00:00.5+02:00", dt.datetime(2025, 1, 1, 8, 0, 0, 500000, tzinfo=UTC)),
        ("2025-01-01T10:00:00", dt.datetime(2025, 1, 1, 10, tzinfo=UTC)),
        ("2025-01-01", dt.datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_every_form(text: str, expected: dt.datetime) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "junk", "2025-13-01T00:00:00Z", "2025-01-01T10:00:00.xZ"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.integers(0, 4_000_000_000_000_000))
def test_stamps_come_back(micros: int) -> None:
    assert to_micros(parse(stamp(micros))) == micros
    assert from_micros(micros) == parse(stamp(micros))
    assert seconds_stamp(micros) == stamp(micros)[:19] + "Z"


def test_a_clock_never_goes_back() -> None:
    clock = Clock()
    first = clock.micros()
    clock.freeze(first - 10)
    assert clock.micros() == first
    clock.freeze(first + 10)
    assert clock.micros() == first + 10
    assert clock.is_frozen


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))  # fmt: skip
def test_json_comes_back(value: object) -> None:
    text = jsontext.dumps(value)
    text.encode()
    assert json.loads(text) == value
    assert json.loads(jsontext.compact(json.dumps(value))) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("5", 5), ('"5"', "5"), ("plain text", "plain text"), ("{bad", "{bad"), ("", "")],
)
def test_a_stored_text_is_shown_as_what_it_is(text: str | None, expected: object) -> None:
    assert jsontext.parsed_or_text(text) == expected


def test_compact_json_keeps_unicode_raw() -> None:
    assert jsontext.compact('{"a": "h\\u00e9", "b": [1, 2]}') == '{"a":"hé","b":[1,2]}'
