"""What is known of one column after some of its cells; it merges with what other cells told, in any order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce

import msgspec

from ringback.files.dates import Moment
from ringback.files.frequencies import Frequencies, key_of, union
from ringback.files.sums import Sums, add_up
from ringback.files.values import read_value

Range = tuple[str, str]


class ColumnPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of cells by kind and what each kind needs to be summarised.

    `kinds` has the kinds of values.py, with date split into year_first, day_first, month_first and either_first, and
    timed for those with a time of day. `moments` has the range of each reading. `odd` is the first text in order.
    """

    cells: int
    missing: int
    kinds: dict[str, int]
    values: Frequencies
    sums: dict[str, Sums] = {}
    units: dict[str, int] = {}
    moments: dict[str, Range] = {}
    lengths: tuple[int, int] | None = None
    odd: str | None = None


class Tally:
    """Takes the distinct cells of a column one by one."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.values: dict[str, int] = {}
        self.numbers: defaultdict[tuple[str, bool], list[tuple[Decimal, int]]] = defaultdict(list)
        self.units: Counter[str] = Counter()
        self.moments: dict[str, Range] = {}
        self.odd: str | None = None

    def add(self, text: str, times: int) -> None:
        value = read_value(text)
        kind = value.kind
        if kind == "missing":
            self.kinds[kind] += times
            return
        if value.number is not None:
            self.numbers[kind, value.whole].append((value.number, times))
            if value.unit:
                self.units[value.unit] += times
        elif value.moment is not None:
            kind = self.date(value.moment, times)
        elif kind == "text" and (self.odd is None or text < self.odd):
            self.odd = text
        self.kinds[kind] += times
        key = key_of(text)
        self.values[key] = self.values.get(key, 0) + times

    def date(self, moment: Moment, times: int) -> str:
        readings = {
            "year_first": moment.year_first,
            "day_first": moment.day_first,
            "month_first": moment.month_first,
        }
        known = {name: (stamp, stamp) for name, stamp in readings.items() if stamp}
        for name, span in known.items():
            self.moments[name] = _wider(self.moments.get(name), span)
        if moment.timed:
            self.kinds["timed"] += times
        return next(iter(known)) if len(known) == 1 else "either_first"

    def part(self, lengths: tuple[int, int] | None, limit: int) -> ColumnPart:
        sums: dict[str, Sums] = {}
        for (kind, whole), pairs in self.numbers.items():
            added = add_up(pairs, whole=whole)
            sums[kind] = sums[kind].merged(added) if kind in sums else added
        missing = self.kinds.pop("missing", 0)
        cells = sum(self.kinds.values()) - self.kinds.get("timed", 0)
        odd = None if self.odd is None else key_of(self.odd)
        values = union([Frequencies(self.values)], limit)
        return ColumnPart(cells, missing, dict(self.kinds), values, sums, dict(self.units), self.moments, lengths, odd)


def read_column(cells: Mapping[str, int], limit: int) -> ColumnPart:
    """The part that some cells make, given as how often each text occurs; `limit` bounds the exact counters."""
    tally = Tally()
    shortest, longest = -1, -1
    for raw, times in cells.items():
        text = raw.strip()
        before = tally.kinds["missing"]
        tally.add(text, times)
        if tally.kinds["missing"] == before:
            length = len(text)
            longest = max(longest, length)
            shortest = length if shortest < 0 else min(shortest, length)
    return tally.part(None if longest < 0 else (shortest, longest), limit)


def merge_columns(parts: Sequence[ColumnPart], limit: int) -> ColumnPart:
    """One part of several; at least one."""
    return ColumnPart(
        cells=sum(part.cells for part in parts),
        missing=sum(part.missing for part in parts),
        kinds=_added(part.kinds for part in parts),
        values=union((part.values for part in parts), limit),
        sums=_sums(part.sums for part in parts),
        units=_added(part.units for part in parts),
        moments=_ranges(part.moments for part in parts),
        lengths=_lengths([part.lengths for part in parts if part.lengths]),
        odd=min((part.odd for part in parts if part.odd is not None), default=None),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _sums(parts: Iterable[Mapping[str, Sums]]) -> dict[str, Sums]:
    by_kind: defaultdict[str, list[Sums]] = defaultdict(list)
    for part in parts:
        for kind, sums in part.items():
            by_kind[kind].append(sums)
    return {kind: reduce(Sums.merged, several) for kind, several in by_kind.items()}


def _ranges(parts: Iterable[Mapping[str, Range]]) -> dict[str, Range]:
    total: dict[str, Range] = {}
    for part in parts:
        for reading, span in part.items():
            total[reading] = _wider(total.get(reading), span)
    return total


def _wider(one: Range | None, other: Range) -> Range:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def _lengths(lengths: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    if not lengths:
        return None
    return min(low for low, _ in lengths), max(high for _, high in lengths)
