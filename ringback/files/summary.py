"""The summary that people read: types decided for whole columns, figures rounded, and notes on what was unusual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ringback.files import notes
from ringback.files.columns import ColumnPart
from ringback.files.dates import shown as shown_moment
from ringback.files.parts import Part
from ringback.files.prose import TextPart
from ringback.files.readings import Habits, date_range, find_habits, has_comma, numeric_sums
from ringback.files.splitting import Plan
from ringback.files.sums import Sums, exactly, to_cents

TOP_VALUES = 5
TOP_WORDS = 10


class Frequent(msgspec.Struct, frozen=True, array_like=True):
    """A value and how often it occurs."""

    value: str
    count: int


class ColumnSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column. `type` is integer, number, date, datetime, boolean, text or empty.

    `cells` has a value, `missing` has none; together they are the rows. Figures are decimal text, so that no reader
    rounds them: minimum, maximum and sum exact, mean and deviation (of a sample, n - 1) to two decimals. Dates have a
    minimum and maximum in ISO 8601. `exact` is false when `distinct` is an estimate and the counts in `top` are lower
    bounds; `top` is empty when no value is more frequent than the others. `unit` is the sign that every number bears.
    """

    name: str
    type: str
    cells: int
    missing: int
    distinct: int
    exact: bool = True
    minimum: str | None = None
    maximum: str | None = None
    total: str | None = None
    mean: str | None = None
    deviation: str | None = None
    unit: str = ""
    shortest: int | None = None
    longest: int | None = None
    top: list[Frequent] = []


class TextSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a plain text: words stand between white space, characters are without line ends."""

    lines: int
    words: int
    characters: int
    longest_line: int
    distinct_words: int
    exact: bool
    top_words: list[Frequent]


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that was found in a file. `rows` are data rows, without the header; a plain text has `text` instead."""

    kind: str
    size: int
    encoding: str
    delimiter: str = ""
    header: bool = False
    rows: int = 0
    ragged: int = 0
    columns: list[ColumnSummary] = []
    columns_in_file: int = 0
    text: TextSummary | None = None
    notes: list[str] = []


def summarize_part(part: Part, plan: Plan) -> Summary:
    """The summary of a whole file, from its merged part."""
    if isinstance(part, TextPart):
        return _text(part, plan)
    named = list(zip(plan.columns, part.columns, strict=True))
    habits = find_habits(part.columns, plan.delimiter)
    columns = [_column(name, column, habits) for name, column in named]
    shape = notes.of_table(
        part.rows, part.ragged, part.broken, header=plan.header, width=plan.width, counted=len(named)
    )
    return Summary(
        kind="table",
        size=plan.size,
        encoding=plan.encoding,
        delimiter=plan.delimiter,
        header=plan.header,
        rows=part.rows,
        ragged=part.ragged,
        columns=columns,
        columns_in_file=plan.width,
        notes=[*plan.notes, *shape, *_column_notes(named, columns, habits)],
    )


def _column_notes(
    named: Sequence[tuple[str, ColumnPart]], columns: Sequence[ColumnSummary], habits: Habits
) -> list[str]:
    numbers = {"integer", "number"}
    pairs = list(zip(columns, (part for _, part in named), strict=True))
    return notes.of_columns(
        named,
        types=[column.type for column in columns],
        comma=[column.type in numbers and has_comma(part, habits) for column, part in pairs],
        open_order=[column.type in {"date", "datetime"} and column.minimum is None for column in columns],
    )


def _column(name: str, column: ColumnPart, habits: Habits) -> ColumnSummary:
    summary = ColumnSummary(
        name=name,
        type="text" if column.cells else "empty",
        cells=column.cells,
        missing=column.missing,
        distinct=column.values.distinct,
        exact=column.values.exact,
        top=_top(column, TOP_VALUES),
    )
    if not column.cells:
        return summary
    if column.kinds.get("boolean") == column.cells:
        return msgspec.structs.replace(summary, type="boolean")
    is_date, span = date_range(column, habits)
    if is_date:
        kind = "datetime" if column.kinds.get("timed") else "date"
        low, high = map(shown_moment, span) if span else (None, None)
        return msgspec.structs.replace(summary, type=kind, minimum=low, maximum=high)
    sums = numeric_sums(column, habits)
    if sums:
        return msgspec.structs.replace(summary, **_figures(sums), unit=next(iter(column.units), ""))
    shortest, longest = column.lengths or (None, None)
    return msgspec.structs.replace(summary, shortest=shortest, longest=longest)


def _figures(sums: Sums) -> Mapping[str, str | None]:
    deviation = sums.deviation()
    return {
        "type": "integer" if sums.whole else "number",
        "minimum": exactly(sums.low),
        "maximum": exactly(sums.high),
        "total": exactly(sums.total),
        "mean": to_cents(sums.mean()),
        "deviation": None if deviation is None else to_cents(deviation),
    }


def _top(column: ColumnPart, size: int) -> list[Frequent]:
    return [Frequent(value, count) for value, count in column.values.top(size)]


def _text(part: TextPart, plan: Plan) -> Summary:
    text = TextSummary(
        lines=part.lines,
        words=part.words,
        characters=part.characters,
        longest_line=part.longest_line,
        distinct_words=part.frequent.distinct,
        exact=part.frequent.exact,
        top_words=[Frequent(word, count) for word, count in part.frequent.top(TOP_WORDS)],
    )
    return Summary(kind="text", size=plan.size, encoding=plan.encoding, text=text, notes=plan.notes)
