"""Notes: whole sentences on what was unusual in a file, for its result card."""

from __future__ import annotations

from collections.abc import Sequence

from ringback.files.columns import ColumnPart
from ringback.files.readings import ORDERS
from ringback.files.values import NUMERIC

MOSTLY = 0.9
NAMED = 3
MOST_MIXED = 5
ODD_LENGTH = 40
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


def of_columns(
    columns: Sequence[Named], types: Sequence[str], comma: Sequence[bool], open_order: Sequence[bool]
) -> list[str]:
    """Notes on columns, given their types, which have decimal commas, and whose dates have no certain order."""
    mixed = [_mixed(column) for column, kind in zip(columns, types, strict=True) if kind == "text"]
    notes = [note for note in mixed if note][:MOST_MIXED]
    approximate = [not column.values.exact for _, column in columns]
    for words, marked in (
        ("A decimal comma was read in", comma),
        ("Day and month cannot be told apart, so no range is given, in", open_order),
        ("Too many different values to count them all, so counts are approximate, in", approximate),
    ):
        notes.append(_list(words, [name for (name, _), mark in zip(columns, marked, strict=True) if mark]))
    return [note for note in notes if note]


def _mixed(named: Named) -> str:
    """A text column that is nearly all of one kind."""
    name, column = named
    for word, kinds in (("numbers", NUMERIC), ("dates", ORDERS)):
        count = sum(column.kinds.get(kind, 0) for kind in kinds)
        if MOSTLY * column.cells <= count < column.cells and column.odd is not None:
            odd = " ".join(column.odd.split())[:ODD_LENGTH]
            return f"{name} is text because {column.cells - count:,} of {column.cells:,} values are no {word}: “{odd}”."
    return ""


def _list(words: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    rest = len(names) - NAMED
    return f"{words} {', '.join(names[:NAMED])}{f' and {rest:,} more' if rest > 0 else ''}."


def _some(count: int, of: int, what: str) -> str:
    return f"{count:,} of {of:,} {what}s {'has' if count == 1 else 'have'}"
