from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.data.tables.aio import TableClient

from ringback.errors import NotFoundError, RequestError, TooLargeError
from ringback.files import analysis, store
from ringback.files.analysis import Received, analyze_chunk, receive, summarize
from ringback.tables.service import FILES

TEXT = "id,city,amount\n" + "".join(f"{row},{'Rome' if row % 3 else 'Oslo'},{row / 4}\n" for row in range(1, 2001))


@pytest.fixture
async def table(tables) -> TableClient:
    return await tables.get(FILES)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def store_text(table, session):
    async def send(text: str = TEXT, file_id: str = "f1", **options) -> Received:
        url = "data:text/csv;base64," + base64.b64encode(text.encode()).decode()
        options = {"max_bytes": 10**6, "name": "x.csv", "chunk_bytes": 5000, **options}
        return await receive(url, session, table, file_id, check_url=str, **options)

    return send


async def never() -> bool:
    return False


async def always() -> bool:
    return True


async def test_a_file_is_received_analysed_and_summarised(table, store_text):
    received = await store_text()
    assert (received.kind, received.size) == ("table", len(TEXT))
    assert received.chunks > 5
    order = list(range(received.chunks))
    random.Random(1).shuffle(order)
    done = [await analyze_chunk(table, "f1", index, never) for index in order]
    assert sum(chunk.rows for chunk in done) == 2000
    found = await summarize(table, "f1")
    assert (found.rows, [column.name for column in found.columns]) == (2000, ["id", "city", "amount"])
    assert found.columns[2].mean == "250.12"
    assert [(entry.value, entry.count) for entry in found.columns[1].top] == [("Rome", 1334), ("Oslo", 666)]
    await store.remove(table, "f1")
    assert await store.remove(table, "f1") == 0


async def test_every_step_may_be_repeated(table, store_text):
    await store_text(text="a,b\n1,2\n" * 5000)
    for _ in range(2):
        received = await store_text()
        for index in range(received.chunks):
            await analyze_chunk(table, "f1", index, never)
            await analyze_chunk(table, "f1", index, never)
        assert (await summarize(table, "f1")).rows == (await summarize(table, "f1")).rows == 2000


async def test_parts_of_an_earlier_longer_try_are_left_out(table, store_text):
    received = await store_text()
    for index in range(received.chunks):
        await analyze_chunk(table, "f1", index, never)
    assert (await store_text(text="a,b\n1,2\n")).chunks == 1
    await analyze_chunk(table, "f1", 0, never)
    assert (await summarize(table, "f1")).rows == 1


async def test_a_cancelled_chunk_does_nothing(table, store_text):
    await store_text()
    assert await analyze_chunk(table, "f1", 0, always) is None
    with pytest.raises(NotFoundError):
        await summarize(table, "f1")


async def test_a_long_chunk_looks_for_cancellation_in_between(table, store_text, monkeypatch):
    monkeypatch.setattr(analysis, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(analysis, "LOOK_SECONDS", 0.0)
    await store_text(chunk_bytes=10**6)
    answers = iter([False, False, True])
    looks = []

    async def later() -> bool:
        looks.append(1)
        return next(answers)

    assert await analyze_chunk(table, "f1", 0, later) is None
    assert len(looks) == 3


async def test_a_missing_part_or_file_is_said_to_be_gone(table, store_text):
    received = await store_text()
    for index in range(received.chunks - 1):
        await analyze_chunk(table, "f1", index, never)
    with pytest.raises(NotFoundError):
        await summarize(table, "f1")
    await store.remove(table, "f1")
    with pytest.raises(NotFoundError):
        await analyze_chunk(table, "f1", 0, never)


async def test_what_is_refused_is_not_stored(table, store_text, session):
    with pytest.raises(TooLargeError):
        await store_text(max_bytes=100)
    url = "data:;base64," + base64.b64encode(b"PK\x03\x04" + b"\0" * 100).decode()
    with pytest.raises(RequestError, match="save it as CSV"):
        await receive(url, session, table, "f1", max_bytes=1000, check_url=str)
    assert await store.remove(table, "f1") == 0


async def test_plain_text_and_a_header_alone(table, store_text):
    await store_text(text="one two\nthree\n", name="x.txt", file_id="t")
    assert (await analyze_chunk(table, "t", 0, never)).rows == 2
    assert (await summarize(table, "t")).text.words == 3
    assert (await store_text(text="a,b\n", file_id="h")).chunks == 0
    assert (await summarize(table, "h")).rows == 0
