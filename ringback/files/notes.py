"""Notes: whole sentences on what was unusual in a file, for its result card."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringback.files.columns import ColumnPart
from ringback.files.values import NUMERIC

MOSTLY = 0.9
NAMED = 3
ODD_LENGTH = 40
DATES = ("year_first", "day_first", "month_first", "either_first")
Named = tuple[str, ColumnPart]


def of_table(rows: int, ragged: int, broken: int, *, header: bool, width: int, counted: int) -> list[str]:
    """Notes on the shape of a table."""
    notes = []
    if not header:
        notes.append("The first row holds no column names, so the columns are numbered.")
    if ragged:
        notes.append(f"{_some(ragged, rows, 'row')} more or fewer cells than the {width:,} columns.")
    if broken:
        lines = "1 line has" if broken == 1 else f"{broken:,} lines have"
        notes.append(f"{lines} quotes that do not match and were read as they stand.")
    if width > counted:
        notes.append(f"Only the first {counted:,} of {width:,} columns were looked at.")
    return notes


def of_columns(columns: Sequence[Named], types: Sequence[str], comma: Sequence[bool]) -> list[str]:
    """Notes on the values of columns, given their types and whether their numbers have a decimal comma."""
    pairs = list(zip(columns, types, strict=True))
    texts = [column for column, kind in pairs if kind == "text"]
    dates = [column for column, kind in pairs if kind in {"date", "datetime"}]
    notes = [_mixed(column) for column in texts]
    notes.append(_list("A decimal comma was read in", [c for c, used in zip(columns, comma, strict=True) if used]))
    notes.append(
        _list("Day and month cannot be told apart, so no range is given, in", [c for c in dates if _open_order(c[1])])
    )
    notes.append(
        _list(
            "Too many different values to count them all, so counts are approximate, in", _select(columns, _approximate)
        )
    )
    return [note for note in notes if note]


def _mixed(named: Named) -> str:
    """A text column that is nearly all of one kind."""
    name, column = named
    for word, kinds in (("numbers", NUMERIC), ("dates", DATES)):
        count = sum(column.kinds.get(kind, 0) for kind in kinds)
        if MOSTLY * column.cells <= count < column.cells and column.odd is not None:
            odd = " ".join(column.odd.split())[:ODD_LENGTH]
            return f"{name} is text because {column.cells - count:,} of {column.cells:,} values are no {word}: “{odd}”."
    return ""


def _open_order(column: ColumnPart) -> bool:
    kinds = column.kinds
    return bool(kinds.get("either_first")) and not kinds.get("day_first") and not kinds.get("month_first")


def _approximate(column: ColumnPart) -> bool:
    return not column.values.exact


def _select(columns: Sequence[Named], wanted: Callable[[ColumnPart], bool]) -> list[Named]:
    return [named for named in columns if wanted(named[1])]


def _list(words: str, columns: Sequence[Named]) -> str:
    if not columns:
        return ""
    names = ", ".join(name for name, _ in columns[:NAMED])
    rest = len(columns) - NAMED
    return f"{words} {names}{f' and {rest:,} more' if rest > 0 else ''}."


def _some(count: int, of: int, what: str) -> str:
    return f"{count:,} of {of:,} {what}s {'has' if count == 1 else 'have'}"
