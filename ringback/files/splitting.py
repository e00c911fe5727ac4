"""The plan of an analysis: what the file is, and byte ranges that start and end between records."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from ringback.errors import RequestError
from ringback.files.dialect import Sample, find_delimiter, has_header, name_columns, take_sample, usual_width
from ringback.files.encoding import Content, decode
from ringback.files.records import Lines, read_records, split_lines

SAMPLE_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
MOST_CHUNKS = 100
MOST_COLUMNS = 200
# Read past a chunk's wished size at first, so that its last record is seen whole.
MARGIN_BYTES = 64 * 1024
# Exact counters of distinct values over all columns together: about 100 MB when they are full.
MOST_COUNTERS = 500_000
MOST_COUNTERS_EACH = 100_000
LINE_END = re.compile(rb"\r\n|\n|\r")
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Bytes from `start` up to `end` of the stored content."""

    start: int
    end: int


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to read a stored file. `columns` are the names of the columns that are counted, `width` all that there are.

    `delimiter`, `columns` and `header` (whether the first record gave the names) belong to a table. `limit` bounds the
    exact counters of one column.
    """

    kind: Literal["table", "text"]
    encoding: str
    size: int
    chunks: list[Chunk]
    delimiter: str = ""
    columns: list[str] = []
    width: int = 0
    header: bool = False
    limit: int = MOST_COUNTERS_EACH
    notes: list[str] = []


def plan_file(
    raw: bytes, *, name: str = "", content_type: str = "", chunk_bytes: int = CHUNK_BYTES
) -> tuple[bytes, Plan]:
    """The bytes to store, and their plan. Raises RequestError for a file that is empty or not text."""
    if not raw:
        raise RequestError("The file is empty: send one with some rows or text in it.")
    content = decode(raw)
    size = len(content.content)
    if not content.content.strip():
        raise RequestError("The file holds nothing but white space: send one with some rows or text in it.")
    step = max(chunk_bytes, -(-size // MOST_CHUNKS))
    lines, whole = _first_lines(content)
    start, given = _separator_line(lines)
    texts = lines.texts[1:] if given else lines.texts
    kind = content_type.partition(";")[0].strip().lower()
    delimiter = given or find_delimiter(texts, more=not whole, name=name, content_type=kind)
    if delimiter is None:
        return content.content, _text_plan(content, step)
    return content.content, _table_plan(content, take_sample(texts, delimiter, more=not whole), start, step)


def _text_plan(content: Content, step: int) -> Plan:
    chunks = _cut(content, 0, step, None)
    return Plan("text", content.encoding, len(content.content), chunks, notes=list(content.notes))


def _table_plan(content: Content, sample: Sample, start: int, step: int) -> Plan:
    header = sample.records[0] if has_header(sample.records) else []
    if header:
        start = _next_boundary(content, start, 1, sample.delimiter, filled=True)
    width = _width(sample, header)
    columns = name_columns(header, min(width, MOST_COLUMNS))
    return Plan(
        "table",
        content.encoding,
        len(content.content),
        _cut(content, start, step, sample.delimiter),
        delimiter=sample.delimiter,
        columns=columns,
        width=width,
        header=bool(header),
        limit=min(MOST_COUNTERS_EACH, MOST_COUNTERS // max(len(columns), 1)),
        notes=list(content.notes),
    )


def _first_lines(content: Content) -> tuple[Lines, bool]:
    """The lines of the sample, and whether they are the whole file."""
    span = SAMPLE_BYTES
    while True:
        whole = span >= len(content.content)
        lines = _window(content, 0, span)
        if lines.texts or whole:
            return lines, whole
        span *= 4


def _separator_line(lines: Lines) -> tuple[int, str | None]:
    """Excel's first line that names the delimiter, such as sep=; and where the records start after it."""
    found = SEPARATOR_LINE.fullmatch(lines.texts[0]) if lines.texts else None
    return (lines.stops[0], found[1]) if found else (0, None)


def _window(content: Content, start: int, span: int) -> Lines:
    """Whole lines from `start` on, about `span` bytes; a line that may go on after them is left out."""
    end = start + span
    lines = split_lines(content.content[start:end], content.encoding)
    return lines if end >= len(content.content) else Lines(lines.texts[:-1], lines.stops[:-1])


def _width(sample: Sample, header: list[str]) -> int:
    """How many columns there are; delimiters at the header's end, with no name and no column below, are none."""
    if not header:
        return sample.width
    usual = usual_width(sample.widths[1:])
    named = sample.widths[0]
    if named == len(header):
        while named > max(usual, 1) and not header[named - 1].strip():
            named -= 1
    return max(named, usual)


def _cut(content: Content, start: int, step: int, delimiter: str | None) -> list[Chunk]:
    """Chunks of at least `step` bytes, each ending where a record (or, without delimiter, a line) ends."""
    chunks = []
    while start < len(content.content):
        end = _next_boundary(content, start, step, delimiter)
        chunks.append(Chunk(start, end))
        start = end
    return chunks


def _next_boundary(content: Content, start: int, step: int, delimiter: str | None, *, filled: bool = False) -> int:
    """The end of the first record that reaches `step` bytes from `start`; with `filled`, that is no blank line."""
    end = _line_end(content.content, start + step - 1)
    if not filled and (delimiter is None or content.content.find(b'"', start, end) < 0):
        return end
    span = step + MARGIN_BYTES
    while True:
        lines = _window(content, start, span)
        whole = start + span >= len(content.content)
        for record in read_records(lines.texts, delimiter or ",", more=not whole):
            stop = lines.stops[record.lines - 1]
            if stop >= step and (record.fields or not filled):
                return start + stop
        if whole:
            return len(content.content)
        span *= 2


def _line_end(content: bytes, at: int) -> int:
    """Where the line ends that the byte at `at` belongs to."""
    found = LINE_END.search(content, at)
    return found.end() if found else len(content)
