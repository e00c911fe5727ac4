from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.files.values import read_value


@pytest.mark.parametrize("text", ["", "NA", "n/a", "#N/A", "null", "NULL", "NaN", "None", "-", "--", "?", "\\N"])
def test_missing(text):
    assert read_value(text).kind == "missing"


@pytest.mark.parametrize("text", ["true", "FALSE", "Yes", "no", "Y", "f"])
def test_booleans(text):
    assert read_value(text).kind == "boolean"


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("0", "integer", "0"),
        ("-12", "integer", "-12"),
        ("+3", "integer", "3"),
        ("12.5", "point", "12.5"),
        (".5", "point", "0.5"),
        ("5.", "point", "5"),
        ("-0.125", "point", "-0.125"),
        ("1e3", "point", "1000"),
        ("2.5E-3", "point", "0.0025"),
        ("1.234", "either", "1.234"),
        ("-12.345", "either", "-12.345"),
        ("1234.567", "point", "1234.567"),
        ("0.123", "point", "0.123"),
        ("1,234", "group", "1234"),
        ("1,234,567", "grouped", "1234567"),
        ("1,234.5", "grouped", "1234.5"),
        ("12,5", "comma", "12.5"),
        ("0,123", "comma", "0.123"),
        (",5", "comma", "0.5"),
        ("1.234,5", "comma", "1234.5"),
        ("1.234.567", "comma", "1234567"),
    ],
)
def test_numbers(text, kind, number):
    value = read_value(text)
    assert (value.kind, value.number) == (kind, Decimal(number))


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [("$5", 5, "$"), ("-$5", -5, "$"), ("5 €", 5, "€"), ("12%", 12, "%"), ("£ 1,200", 1200, "£"), ("$-5", -5, "$")],
)
def test_units(text, number, unit):
    value = read_value(text)
    assert (value.number, value.unit) == (Decimal(number), unit)


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "00.5",
        "1e999",
        "inf",
        "Infinity",
        "1_000",
        "1 000",
        "--5",
        "1.2.3",
        "1,2,3",
        "12,34,567",
        "(5)",
        "5-",
        "$",
        "$5%",
        "-$-5",
        "€ x",
        "0x10",
        "٣",
        "²",
        "9" * 41,
        "1.5.",
        "+",
        ".",
        ",",
        "e5",
        "12:30",
        "1/2",
        "2024-13-01",
    ],
)
def test_text(text):
    assert read_value(text).kind == "text"


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_every_integer_is_read_exactly(number):
    assert read_value(str(number)).number == number


@given(st.text(max_size=60))
def test_anything_can_be_read(text):
    read_value(text.strip())


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_every_plain_decimal_is_read_exactly(number):
    assert read_value(f"{number:f}").number == number
