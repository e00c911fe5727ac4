"""Lines and records of delimited text, read the same way by the planner and by every chunk.

Records follow RFC 4180: a quoted field may hold delimiters, line ends and doubled quotes; lines end with CRLF, LF or
CR. Broken quoting costs one line: a record that cannot be read as written is given up at its first line, that line is
read as it stands, and reading goes on at the next line, so an open quote never swallows what follows. The csv module's
field limit (131,072 characters) ends the search for a closing quote.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import accumulate

import msgspec


class Lines(msgspec.Struct, frozen=True):
    """Decoded lines with their ends, and the offset in bytes at which each line stops."""

    texts: list[str]
    stops: list[int]


class Record(msgspec.Struct, frozen=True, gc=False):
    """Fields of one record (a blank line has none), how many lines are read so far, whether its quoting was broken."""

    fields: list[str]
    lines: int
    broken: bool = False


def split_lines(content: bytes, encoding: str) -> Lines:
    """Lines of `content`, which starts at the start of a line."""
    raw = content.splitlines(keepends=True)
    return Lines([line.decode(encoding, "replace") for line in raw], list(accumulate(map(len, raw))))


def read_records(lines: list[str], delimiter: str, *, more: bool = False) -> Iterator[Record]:
    """Records of whole lines. With `more`, lines follow that are not given: an unfinished last record is left out."""
    done = 0
    while done < len(lines):
        base = done
        rest = map(lines.__getitem__, range(base, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for fields in reader:
                done = base + reader.line_num
                yield Record(fields, done)
        except csv.Error:
            if more and base + reader.line_num == len(lines):
                return
            fields, broken = _read_alone(lines[done], delimiter)
            done += 1
            yield Record(fields, done, broken)


def _read_alone(line: str, delimiter: str) -> tuple[list[str], bool]:
    """One line by itself: leniently when its quotes close, else split at every delimiter and called broken."""
    body = line.rstrip("\r\n")
    guard = "end"
    try:
        rows = list(csv.reader([f"{body}\n", guard], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        rows = []
    if len(rows) == 2 and rows[1] == [guard]:
        return rows[0], False
    return body.split(delimiter), '"' in body
