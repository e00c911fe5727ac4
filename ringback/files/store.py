"""Files in rows of the `files` table, for activities on machines that share no disk.

PartitionKey is the file's id. Each named content of a file (its data, its plan, one part per chunk) is a run of rows
`{name}-{number:05}` with eight binary properties of 64 KiB (b0 to b7): 512 KiB a row, where the service takes 1 MiB.
Rows are written one a request, since aiohttp blocks the event loop while it sends a body over 1 MiB. Every row has the
content's `size`, so that a read knows a whole content from a torn one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timezone
from itertools import groupby
from operator import itemgetter
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError, TransactionOperation, UpdateMode
from azure.data.tables.aio import TableClient

from ringback.errors import NotFoundError

BLOCK_BYTES = 64 * 1024
BLOCKS = 8
ROW_BYTES = BLOCK_BYTES * BLOCKS
ROWS_AT_ONCE = 4
DELETES_AT_ONCE = 100
Entity = dict[str, Any]


async def write(table: TableClient, file_id: str, name: str, content: bytes) -> None:
    """Store `content` (at least one byte) under `name`, in place of what an earlier try left there."""
    count = _row_count(len(content))
    for first in range(0, count, ROWS_AT_ONCE):
        numbers = range(first, min(first + ROWS_AT_ONCE, count))
        rows = [_row(file_id, name, number, content) for number in numbers]
        await asyncio.gather(*(table.upsert_entity(row, mode=UpdateMode.REPLACE) for row in rows))
    await _delete(table, _keys(table, file_id, _key(name, count), f"{name}-:"))


async def read(table: TableClient, file_id: str, name: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes from `start` up to `end`, fetching no row or property beside them; NotFoundError when they are gone."""
    if end is None:
        first = await _get(table, file_id, _key(name, 0), ["size"])
        end = int(first["size"])
    pieces = []
    for number in range(start // ROW_BYTES, _row_count(end)):
        offset = number * ROW_BYTES
        low, high = max(start - offset, 0), min(end - offset, ROW_BYTES)
        pieces.append(await _read_row(table, file_id, _key(name, number), (low, high)))
    content = b"".join(pieces)
    if len(content) != end - start:
        raise gone(file_id)
    return content


async def read_all(table: TableClient, file_id: str, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
    """(name, content) of everything whose name starts with `prefix`, in order of name, in as few requests as can be."""
    low, high = prefix, f"{prefix}~"
    query = "PartitionKey eq @file and RowKey ge @low and RowKey lt @high"
    rows = table.query_entities(query, parameters={"file": file_id, "low": low, "high": high})
    name, size, pieces = "", 0, list[bytes]()
    async for row in rows:
        owner = row["RowKey"].rpartition("-")[0]
        if owner != name:
            if name:
                yield name, _whole(pieces, size, file_id)
            name, size, pieces = owner, int(row["size"]), []
        pieces.extend(row[block] for block in _blocks(0, BLOCKS) if block in row)
    if name:
        yield name, _whole(pieces, size, file_id)


async def remove(table: TableClient, file_id: str) -> int:
    """Delete everything stored under a file's id, in batches; returns the number of rows. Repeating it does no harm."""
    return await _delete(table, _keys(table, file_id, "", "~"))


async def purge(table: TableClient, before: datetime) -> int:
    """Delete every row last written before an aware moment: what operations left that never came to their end."""
    moment = before.astimezone(timezone.utc)
    rows = table.query_entities(
        "Timestamp lt @before", parameters={"before": moment}, select=["PartitionKey", "RowKey"]
    )
    return await _delete(table, rows)


def _row(file_id: str, name: str, number: int, content: bytes) -> Entity:
    offset = number * ROW_BYTES
    row: Entity = {"PartitionKey": file_id, "RowKey": _key(name, number), "size": len(content)}
    for index, block in enumerate(_blocks(0, BLOCKS)):
        piece = content[offset + index * BLOCK_BYTES : offset + (index + 1) * BLOCK_BYTES]
        if piece:
            row[block] = piece
    return row


async def _read_row(table: TableClient, file_id: str, key: str, span: tuple[int, int]) -> bytes:
    """Bytes of one row."""
    low, high = span
    first = low // BLOCK_BYTES
    wanted = _blocks(first, -(-high // BLOCK_BYTES))
    row = await _get(table, file_id, key, wanted)
    base = first * BLOCK_BYTES
    return b"".join(row.get(block) or b"" for block in wanted)[low - base : high - base]


async def _get(table: TableClient, file_id: str, key: str, select: list[str]) -> Entity:
    try:
        return dict(await table.get_entity(file_id, key, select=select))
    except ResourceNotFoundError:
        raise gone(file_id) from None


async def _keys(table: TableClient, file_id: str, low: str, high: str) -> AsyncIterator[Entity]:
    query = "PartitionKey eq @file and RowKey ge @low and RowKey lt @high"
    parameters = {"file": file_id, "low": low, "high": high}
    async for row in table.query_entities(query, parameters=parameters, select=["PartitionKey", "RowKey"]):
        yield row


async def _delete(table: TableClient, rows: AsyncIterator[Entity] | Any) -> int:
    """Delete rows a page at a time; those already gone count too."""
    count = 0
    page: list[Entity] = []
    async for row in rows:
        page.append({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]})
        if len(page) == DELETES_AT_ONCE:
            count += await _delete_page(table, page)
            page = []
    return count + await _delete_page(table, page)


async def _delete_page(table: TableClient, page: Sequence[Entity]) -> int:
    for _, group in groupby(page, key=itemgetter("PartitionKey")):
        rows = list(group)
        try:
            await table.submit_transaction([(TransactionOperation.DELETE, row) for row in rows])
        except TableTransactionError as error:
            if error.status_code != 404:
                raise
            # Another try deletes too and was first with one of them, which undoes the whole transaction.
            await _delete_singly(table, rows)
    return len(page)


async def _delete_singly(table: TableClient, rows: Iterable[Entity]) -> None:
    for row in rows:
        await table.delete_entity(row["PartitionKey"], row["RowKey"])


def _whole(pieces: list[bytes], size: int, file_id: str) -> bytes:
    content = b"".join(pieces)
    if len(content) != size:
        raise gone(file_id)
    return content


def _blocks(first: int, stop: int) -> list[str]:
    return [f"b{index}" for index in range(first, stop)]


def _key(name: str, number: int) -> str:
    return f"{name}-{number:05}"


def _row_count(size: int) -> int:
    return -(-size // ROW_BYTES)


def gone(file_id: str) -> NotFoundError:
    return NotFoundError(f"The stored file {file_id} is gone or incomplete: send the file again.")
