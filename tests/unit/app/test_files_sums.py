from __future__ import annotations

import statistics
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.files.sums import Sums, add_up, exactly, to_cents

WILD = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e300"), max_value=Decimal("1e300"))
PLAIN = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)


def of(numbers) -> Sums:
    return add_up([(number, 1) for number in numbers], whole=False)


@given(st.lists(st.lists(WILD, min_size=1, max_size=5), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_sums(groups, dice):
    whole = of([number for group in groups for number in group])
    shuffled = [dice.sample(group, len(group)) for group in groups]
    dice.shuffle(shuffled)
    assert reduce(Sums.merged, map(of, shuffled)) == whole


@given(st.lists(PLAIN, min_size=2))
def test_mean_and_deviation_are_those_of_the_statistics_module(numbers):
    sums = of(numbers)
    assert sums.total == sum(numbers)
    assert float(sums.mean()) == pytest.approx(float(statistics.mean(map(float, numbers))), rel=1e-9, abs=1e-6)
    expected = float(statistics.stdev(numbers))
    assert float(sums.deviation()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_no_drift():
    sums = add_up([(Decimal("0.1"), 50_000), (Decimal("0.2"), 50_000)], whole=False)
    assert exactly(sums.total) == "15000"
    assert to_cents(sums.mean()) == "0.15"
    close = of([Decimal("1000000000000000.1"), Decimal("1000000000000000.2")])
    assert to_cents(close.deviation()) == "0.07"


def test_one_number_has_no_deviation():
    assert of([Decimal(5)]).deviation() is None


def test_scaled_is_the_same_as_adding_scaled_numbers():
    numbers = [Decimal("1.234"), Decimal("-20.5"), Decimal(3)]
    assert of(numbers).scaled(3, whole=False) == of([number * 1000 for number in numbers])


@pytest.mark.parametrize(
    ("number", "text"),
    [("12.50", "12.5"), ("100", "100"), ("-0.0", "0"), ("1e5", "100000"), ("1e-30", "1E-30"), ("1e300", "1E+300")],
)
def test_exactly(number, text):
    assert exactly(Decimal(number)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("2", "2.00"),
        ("2.345", "2.34"),
        ("2.3451", "2.35"),
        ("-0.999", "-1.00"),
        ("0", "0.00"),
        ("0.001234", "0.00123"),
        ("1234567890123456.789", "1234567890123456.79"),
        ("1.23456e250", "1.23E+250"),
        ("-0.00001", "-0.00001"),
    ],
)
def test_to_cents(number, text):
    assert to_cents(Decimal(number)) == text
