"""Statistics of one chunk, and their merging: associative, commutative, and the same however the rows are split."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from ringback.files.columns import ColumnPart, merge_columns, read_column
from ringback.files.prose import TextPart, merge_texts, read_lines
from ringback.files.records import Record, read_records, split_lines
from ringback.files.splitting import Plan

BATCH_ROWS = 1000


class TablePart(msgspec.Struct, frozen=True, tag="table"):
    """`ragged`: rows with more or fewer cells than the table is wide; `broken`: lines whose quoting was given up."""

    rows: int
    ragged: int
    broken: int
    columns: list[ColumnPart]


Part = TablePart | TextPart


class TableReader:
    """Reads a chunk's rows in batches, so that its caller can look up between them."""

    def __init__(self, content: bytes, plan: Plan) -> None:
        self.plan = plan
        self.records: Iterator[Record] = read_records(split_lines(content, plan.encoding).texts, plan.delimiter)
        self.cells: list[Counter[str]] = [Counter() for _ in plan.columns]
        self.rows = self.ragged = self.broken = 0
        self.columns: list[ColumnPart] = []

    def steps(self) -> Iterator[None]:
        """The work, a few milliseconds at a time."""
        while batch := list(islice(self.records, BATCH_ROWS)):
            self._count(batch)
            yield
        for index, cells in enumerate(self.cells):
            self.columns.append(read_column(cells, self.plan.limit))
            self.cells[index] = Counter()
            yield

    def part(self) -> TablePart:
        return TablePart(self.rows, self.ragged, self.broken, self.columns)

    def _count(self, batch: list[Record]) -> None:
        width, counted = self.plan.width, len(self.plan.columns)
        rows = [record.fields for record in batch if not _is_blank(record.fields, width)]
        self.broken += sum(record.broken for record in batch)
        self.rows += len(rows)
        ragged = sum(len(row) != width for row in rows)
        self.ragged += ragged
        if ragged or width != counted:
            rows = [(row + [""] * (counted - len(row)))[:counted] for row in rows]
        for cells, column in zip(self.cells, zip(*rows, strict=True), strict=False):
            cells.update(column)


def _is_blank(fields: list[str], width: int) -> bool:
    """An empty line, or one of white space in a table of several columns."""
    return not fields or (len(fields) == 1 < width and not fields[0].strip())


class TextReader:
    """Reads a chunk of plain text in batches of lines."""

    def __init__(self, content: bytes, plan: Plan) -> None:
        self.plan = plan
        self.lines = iter(split_lines(content, plan.encoding).texts)
        self.parts: list[TextPart] = []

    def steps(self) -> Iterator[None]:
        while batch := list(islice(self.lines, BATCH_ROWS)):
            self.parts.append(read_lines(batch, self.plan.limit))
            yield

    def part(self) -> TextPart:
        return merge_texts(self.parts or [read_lines((), self.plan.limit)], self.plan.limit)


def reader(content: bytes, plan: Plan) -> TableReader | TextReader:
    """A reader of one chunk's bytes."""
    return TableReader(content, plan) if plan.kind == "table" else TextReader(content, plan)


def read_chunk(content: bytes, plan: Plan) -> Part:
    """The statistics of one chunk's bytes, in one go."""
    chunk = reader(content, plan)
    for _ in chunk.steps():
        pass
    return chunk.part()


def merge(parts: Sequence[Part], plan: Plan) -> Part:
    """One part of all; an empty one when there are none."""
    if plan.kind == "text":
        texts = [part for part in parts if isinstance(part, TextPart)]
        return merge_texts(texts or [read_lines((), plan.limit)], plan.limit)
    tables = [part for part in parts if isinstance(part, TablePart)]
    columns = [[part.columns[index] for part in tables] for index in range(len(plan.columns))]
    return TablePart(
        rows=sum(part.rows for part in tables),
        ragged=sum(part.ragged for part in tables),
        broken=sum(part.broken for part in tables),
        columns=[merge_columns(several or [read_column({}, plan.limit)], plan.limit) for several in columns],
    )


def pack(part: Part) -> bytes:
    """A part as compressed JSON."""
    return zlib.compress(msgspec.json.encode(part), 1)


def unpack(content: bytes) -> Part:
    """A part from `pack`."""
    part: Part = msgspec.json.decode(zlib.decompress(content), type=Part)
    return part
