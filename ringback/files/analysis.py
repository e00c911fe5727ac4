"""The analysis of a file in three kinds of steps, for activities that share nothing but the `files` table.

`receive` once, `analyze_chunk` for each chunk in any order on any machine, then `summarize` once and `store.remove`.
Each may be repeated. What passes between them through a history is small; plan and parts are kept beside the file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing

import aiohttp
import msgspec
from azure.data.tables.aio import TableClient

from ringback.files import store
from ringback.files.download import download
from ringback.files.encoding import HEAD_BYTES, refuse_binary
from ringback.files.parts import Part, merge, pack, reader, unpack
from ringback.files.prose import TextPart
from ringback.files.splitting import CHUNK_BYTES, Plan, plan_file
from ringback.files.summary import Summary, summarize_part

DATA = "data"
PLAN = "plan"
PART = "part-"
SLICE_SECONDS = 0.05
LOOK_SECONDS = 2.0
PARTS_AT_ONCE = 10
Cancelled = Callable[[], Awaitable[bool]]


class Received(msgspec.Struct, frozen=True):
    """A stored file: its size in bytes, `kind` (table or text) and how many chunks there are to analyse."""

    file_id: str
    kind: str
    size: int
    chunks: int


class Analyzed(msgspec.Struct, frozen=True):
    """A chunk whose part is stored; `rows` are its data rows, or the lines of a text."""

    index: int
    rows: int


async def receive(
    url: str,
    session: aiohttp.ClientSession,
    table: TableClient,
    file_id: str,
    *,
    max_bytes: int,
    check_url: Callable[[str], None],
    headers: Mapping[str, str] | None = None,
    name: str = "",
    content_type: str = "",
    chunk_bytes: int = CHUNK_BYTES,
) -> Received:
    """Download a file, plan its chunks and store both. Raises as `download`, and RequestError when it is no text.

    `name` and `content_type` are what the user's attachment says; they only break doubts. The file is held in memory.
    """
    content = bytearray()
    pieces = download(url, session, max_bytes=max_bytes, check_url=check_url, headers=headers)
    async with aclosing(pieces):
        async for piece in pieces:
            head_known = len(content) >= HEAD_BYTES
            content += piece
            if not head_known:
                refuse_binary(bytes(content[:HEAD_BYTES]))
    data, plan = await asyncio.to_thread(
        plan_file, bytes(content), name=name, content_type=content_type, chunk_bytes=chunk_bytes
    )
    del content
    await store.write(table, file_id, DATA, data)
    await store.write(table, file_id, PLAN, msgspec.json.encode(plan))
    return Received(file_id, plan.kind, plan.size, len(plan.chunks))


async def analyze_chunk(table: TableClient, file_id: str, index: int, cancelled: Cancelled) -> Analyzed | None:
    """Analyse chunk `index` and store its part; None when `cancelled` said so, at the start or every two seconds.

    The work runs in a thread, a slice at a time, so that the event loop stays free. NotFoundError: the file is gone.
    """
    if await cancelled():
        return None
    plan = await _plan(table, file_id)
    chunk = plan.chunks[index]
    content = await store.read(table, file_id, DATA, chunk.start, chunk.end)
    chunk_reader = await asyncio.to_thread(reader, content, plan)
    steps = chunk_reader.steps()
    looked = time.monotonic()
    while await asyncio.to_thread(_work, steps):
        if time.monotonic() - looked >= LOOK_SECONDS:
            if await cancelled():
                return None
            looked = time.monotonic()
    take: Callable[[], Part] = chunk_reader.part
    part = await asyncio.to_thread(take)
    await store.write(table, file_id, _part_name(index), await asyncio.to_thread(pack, part))
    return Analyzed(index, part.lines if isinstance(part, TextPart) else part.rows)


async def summarize(table: TableClient, file_id: str) -> Summary:
    """Merge the parts of all chunks. NotFoundError: the file or one of its parts is gone."""
    plan = await _plan(table, file_id)
    stored = {name: content async for name, content in store.read_all(table, file_id, PART)}
    packed = [stored[name] for name in map(_part_name, range(len(plan.chunks))) if name in stored]
    if len(packed) != len(plan.chunks):
        raise store.gone(file_id)
    return await asyncio.to_thread(_summarize, packed, plan)


def _summarize(packed: list[bytes], plan: Plan) -> Summary:
    """Unpack and merge a few parts at a time, which bounds the memory that it takes."""
    merged: list[Part] = []
    for first in range(0, max(len(packed), 1), PARTS_AT_ONCE):
        parts = map(unpack, packed[first : first + PARTS_AT_ONCE])
        merged = [merge([*merged, *parts], plan)]
    return summarize_part(merged[0], plan)


async def _plan(table: TableClient, file_id: str) -> Plan:
    return msgspec.json.decode(await store.read(table, file_id, PLAN), type=Plan)


def _part_name(index: int) -> str:
    return f"{PART}{index:05}"


def _work(steps: Iterator[None]) -> bool:
    """Work for one slice of time; False when all is done."""
    until = time.monotonic() + SLICE_SECONDS
    return any(time.monotonic() >= until for _ in steps)
