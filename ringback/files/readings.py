"""How a whole column is read, where a cell by itself leaves it open: points and commas, day and month.

What the columns of one file show clearly is its habit, and settles what another column leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import msgspec

from ringback.files.columns import ColumnPart, Range
from ringback.files.sums import Sums
from ringback.files.values import NUMERIC

ORDERS = ("year_first", "day_first", "month_first", "either_first")


class Habits(msgspec.Struct, frozen=True):
    """A file's delimiter, whether it writes decimal commas, and its order of day and month when it has one."""

    delimiter: str
    comma: bool = False
    order: str = ""


def find_habits(columns: Sequence[ColumnPart], delimiter: str) -> Habits:
    """The habits that a file's columns show."""
    plain = Habits(delimiter)
    comma = any("comma" in column.kinds and has_comma(column, plain) and _is_numeric(column) for column in columns)
    orders = {_order(column) for column in columns if _is_date(column)} - {""}
    return Habits(delimiter, comma, orders.pop() if len(orders) == 1 else "")


def numeric_sums(column: ColumnPart, habits: Habits) -> Sums | None:
    """The sums of a column that is all numbers by one reading of points and commas; None when it is not.

    A decimal point comes first. A lone 1,234 is read as thousands where the delimiter is a comma or other numbers of
    the column show it. A decimal comma is read only where the delimiter is none, and something in the column shows it
    (or the delimiter is a semicolon, as is usual where the decimal comma is, or the file has the habit).
    """
    if not _is_numeric(column):
        return None
    if has_comma(column, habits):
        return reduce(Sums.merged, (_with_comma(kind, part) for kind, part in column.sums.items()))
    return None if _needs_comma(column, habits) else reduce(Sums.merged, column.sums.values())


def has_comma(column: ColumnPart, habits: Habits) -> bool:
    """Every number can be read with a decimal comma, and has to be, or is by the file's habit."""
    kinds = column.kinds
    if habits.delimiter == "," or "point" in kinds or "grouped" in kinds:
        return False
    if not _needs_comma(column, habits):
        return habits.comma and "either" in kinds
    return "comma" in kinds or habits.delimiter == ";" or habits.comma


def date_range(column: ColumnPart, habits: Habits) -> tuple[bool, Range | None]:
    """Whether a column is all dates by one order of day and month, and its range unless that order stays open."""
    if not _is_date(column):
        return False, None
    order = _order(column) or habits.order
    if not order and "either_first" in column.kinds:
        return True, None
    spans = [column.moments[name] for name in ("year_first", order) if name in column.moments]
    return True, (min(low for low, _ in spans), max(high for _, high in spans))


def _is_numeric(column: ColumnPart) -> bool:
    """All cells are numbers of some kind, with one unit or none."""
    numbers = sum(column.kinds.get(kind, 0) for kind in NUMERIC)
    return 0 < numbers == column.cells and (not column.units or list(column.units.values()) == [column.cells])


def _needs_comma(column: ColumnPart, habits: Habits) -> bool:
    """Not every number can be read with a decimal point."""
    kinds = column.kinds
    return "comma" in kinds or ("group" in kinds and habits.delimiter != "," and "grouped" not in kinds)


def _with_comma(kind: str, sums: Sums) -> Sums:
    if kind == "either":
        return sums.scaled(3, whole=True)
    return sums.scaled(-3, whole=False) if kind == "group" else sums


def _is_date(column: ColumnPart) -> bool:
    kinds = column.kinds
    dates = sum(kinds.get(order, 0) for order in ORDERS)
    return 0 < dates == column.cells and not ("day_first" in kinds and "month_first" in kinds)


def _order(column: ColumnPart) -> str:
    """The order of day and month that a column of dates shows, or "" when it shows none."""
    return next((order for order in ("day_first", "month_first") if order in column.kinds), "")
