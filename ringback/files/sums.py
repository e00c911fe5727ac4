"""Exact sums of decimal numbers, in any order and any grouping.

A context of 2,000 digits holds every sum and every sum of squares of the numbers that values.py lets through (40
digits, exponents within 300), so no addition ever rounds and merging is associative to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, Inexact, localcontext

import msgspec

EXACT = Context(prec=2000, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN, traps=[Inexact])
ROUNDED = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN, traps=[])
CENT = Decimal("0.01")
PLAIN_DIGITS = 21


class Sums(msgspec.Struct, frozen=True, omit_defaults=True):
    """Count, sum, sum of squares and range of some numbers; `whole` when none was written with decimals."""

    count: int
    total: Decimal
    squares: Decimal
    low: Decimal
    high: Decimal
    whole: bool = True

    def merged(self, other: Sums) -> Sums:
        with localcontext(EXACT):
            return Sums(
                self.count + other.count,
                self.total + other.total,
                self.squares + other.squares,
                min(self.low, other.low),
                max(self.high, other.high),
                self.whole and other.whole,
            )

    def scaled(self, power: int, *, whole: bool) -> Sums:
        """The sums of the same numbers times ten to the `power`."""
        total, low, high = (value.scaleb(power, EXACT) for value in (self.total, self.low, self.high))
        return Sums(self.count, total, self.squares.scaleb(2 * power, EXACT), low, high, whole)

    def mean(self) -> Decimal:
        return ROUNDED.divide(self.total, Decimal(self.count))

    def deviation(self) -> Decimal | None:
        """The sample's standard deviation (n - 1); None for fewer than two numbers."""
        if self.count < 2:
            return None
        with localcontext(EXACT):
            spread = self.squares * self.count - self.total * self.total
        return ROUNDED.sqrt(ROUNDED.divide(spread, Decimal(self.count * (self.count - 1))))


def add_up(numbers: Iterable[tuple[Decimal, int]], *, whole: bool) -> Sums:
    """Sums of (number, how often); at least one."""
    pairs = list(numbers)
    with localcontext(EXACT):
        return Sums(
            sum(times for _, times in pairs),
            sum((number * times for number, times in pairs), Decimal(0)),
            sum((number * number * times for number, times in pairs), Decimal(0)),
            min(number for number, _ in pairs),
            max(number for number, _ in pairs),
            whole,
        )


def exactly(number: Decimal) -> str:
    """Every digit of a number and no padding: 12.5 for 12.50."""
    number = number.normalize(EXACT)
    if not number:
        return "0"
    return f"{number:f}" if -PLAIN_DIGITS < number.adjusted() < PLAIN_DIGITS else f"{number}"


def to_cents(number: Decimal) -> str:
    """Two decimals, ties to even; three significant digits below 0.01 or beyond 21 digits."""
    if number and (abs(number) < CENT or number.adjusted() >= PLAIN_DIGITS):
        short = Context(prec=3, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN, traps=[])
        return exactly(short.plus(number))
    rounded = number.quantize(CENT, context=ROUNDED)
    return f"{rounded:f}"
