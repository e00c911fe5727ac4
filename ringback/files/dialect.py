"""Which delimiter a file uses and whether its first record names the columns, found from its first 64 KiB."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from ringback.files.records import read_records
from ringback.files.values import read_value

# Earlier ones win a tie: a comma is also a decimal mark and punctuation.
DELIMITERS = ("\t", ";", ",", "|")
SAMPLE_RECORDS = 200
SAMPLE_FIELDS = 1000
CLEAR_SHARE = 0.9
NAMED_SHARE = 0.5
LONGEST_NAME = 100
SHORT_NAMES = ("no", "y", "n", "t", "f")
YEAR = re.compile(r"(?:1[89]|2[01])[0-9]{2}")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
TABLE_TYPES = ("text/csv", "application/csv", "text/tab-separated-values", "application/vnd.ms-excel")
TEXT_SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml", ".html", ".htm", ".md", ".rst", ".yaml", ".yml", ".py", ".js")


class Sample(msgspec.Struct, frozen=True):
    """The first records under one delimiter, each cut to SAMPLE_FIELDS, and their widths; blank lines are left out."""

    delimiter: str
    records: list[list[str]]
    widths: list[int]

    @property
    def width(self) -> int:
        """The most common number of fields."""
        return usual_width(self.widths)

    @property
    def share(self) -> float:
        """The part of all records that have it."""
        return self.widths.count(self.width) / max(len(self.widths), 1)

    @property
    def typed(self) -> float:
        """The part of the fields that are numbers, dates or booleans."""
        kinds = [read_value(field.strip()).kind not in {"text", "missing"} for row in self.records for field in row]
        return sum(kinds) / max(len(kinds), 1)


def take_sample(lines: list[str], delimiter: str, *, more: bool) -> Sample:
    """Records from the first lines of a file; `more` when lines follow."""
    records, widths = [], []
    for record in read_records(lines, delimiter, more=more):
        if record.fields:
            records.append(record.fields[:SAMPLE_FIELDS])
            widths.append(len(record.fields))
        if len(records) >= SAMPLE_RECORDS:
            break
    return Sample(delimiter, records, widths)


def usual_width(widths: Sequence[int]) -> int:
    """The most common of some numbers of fields, the larger of two that are equally common; 0 of none."""
    counts = Counter(widths)
    return max(counts, key=lambda width: (counts[width], width), default=0)


def find_delimiter(lines: list[str], *, more: bool, name: str = "", content_type: str = "") -> str | None:
    """The delimiter of a table, or None for plain text. The file's name and content type break doubts."""
    lower = name.lower()
    is_table = lower.endswith(TABLE_SUFFIXES) or (content_type in TABLE_TYPES and not lower.endswith(TEXT_SUFFIXES))
    if not is_table and (lower.endswith(TEXT_SUFFIXES) or "".join(lines[:1]).lstrip().startswith(("{", "[", "<"))):
        return None
    samples = [take_sample(lines, delimiter, more=more) for delimiter in DELIMITERS]
    wide = [sample for sample in samples if sample.width > 1]
    clear = [sample for sample in wide if sample.share >= CLEAR_SHARE and (is_table or len(sample.records) > 1)]
    if clear:
        return max(clear, key=lambda sample: (round(sample.typed, 1), -DELIMITERS.index(sample.delimiter))).delimiter
    if not is_table:
        return None
    best = max(wide, key=lambda sample: sample.share, default=None)
    return best.delimiter if best and best.share >= NAMED_SHARE else ","


def has_header(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns: it holds names over other values, and none comes again below."""
    if not records:
        return False
    first = [field.strip() for field in records[0]]
    kinds = [read_value(field).kind for field in first]
    rows = records[1:]
    columns = [[row[index].strip() for row in rows if index < len(row)] for index in range(len(first))]
    cells = list(zip(first, kinds, columns, strict=True))
    names = [field for field, kind, column in cells if kind != "missing" and _may_name(field, kind, column)]
    if len(names) != len(kinds) - kinds.count("missing") or len(names) * 2 < len(first):
        return False
    if not any(kind in {"text", "boolean"} for kind in kinds):
        return False
    if any(_is_typed(column) for _, kind, column in cells if kind == "text"):
        return True
    return len(set(names)) == len(names) and not any(field in column for field, _, column in cells if field)


def _may_name(field: str, kind: str, column: Sequence[str]) -> bool:
    """A word; a year over a column of no years; or one of the short names that could be a boolean, such as No or y."""
    if kind == "integer":
        return bool(YEAR.fullmatch(field)) and not any(YEAR.fullmatch(value) for value in column)
    return kind == "text" or (kind == "boolean" and field.lower() in SHORT_NAMES)


def _is_typed(column: Sequence[str]) -> bool:
    """Most of the column's values are numbers, dates or booleans, so that a word above them is a name."""
    kinds = [kind for kind in (read_value(field).kind for field in column) if kind != "missing"]
    return bool(kinds) and sum(kind != "text" for kind in kinds) > len(kinds) / 2


def name_columns(header: Sequence[str], width: int) -> list[str]:
    """Names for `width` columns: empty ones become "column 3", repeated ones "name (2)"."""
    names: list[str] = []
    taken: set[str] = set()
    for number in range(1, width + 1):
        given = " ".join(header[number - 1].split())[:LONGEST_NAME] if number <= len(header) else ""
        base = given or f"column {number}"
        name, again = base, 1
        while name in taken:
            again += 1
            name = f"{base} ({again})"
        taken.add(name)
        names.append(name)
    return names
