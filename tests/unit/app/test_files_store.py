from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest
from azure.data.tables.aio import TableClient

from ringback.errors import NotFoundError
from ringback.files import store
from ringback.tables.service import FILES


@pytest.fixture
async def table(tables) -> TableClient:
    return await tables.get(FILES)


async def rows(table: TableClient, file_id: str = "f1") -> list[str]:
    found = table.query_entities("PartitionKey eq @id", parameters={"id": file_id}, select=["RowKey"])
    return [row["RowKey"] async for row in found]


@pytest.mark.parametrize(
    "size", [1, store.BLOCK_BYTES, store.BLOCK_BYTES + 1, store.ROW_BYTES, store.ROW_BYTES * 5 + 12345]
)
async def test_what_is_written_is_read(table, size):
    content = os.urandom(size)
    await store.write(table, "f1", "data", content)
    assert await store.read(table, "f1", "data") == content
    assert len(await rows(table)) == -(-size // store.ROW_BYTES)


async def test_a_range_is_read_without_the_rest(table, mocker):
    content = os.urandom(store.ROW_BYTES * 2 + 1000)
    await store.write(table, "f1", "data", content)
    get = mocker.spy(table, "get_entity")
    edge = store.ROW_BYTES
    for start, end in [
        (0, 1),
        (65_535, 65_537),
        (edge - 1, edge + 1),
        (edge, edge),
        (2 * edge, len(content)),
        (5, 900_000),
    ]:
        assert await store.read(table, "f1", "data", start, end) == content[start:end]
    assert get.call_args_list[0].kwargs["select"] == ["b0"]
    assert get.call_args_list[1].kwargs["select"] == ["b0", "b1"]


async def test_a_shorter_content_leaves_nothing_of_the_longer(table):
    await store.write(table, "f1", "data", b"x" * (store.ROW_BYTES * 3))
    await store.write(table, "f1", "data-more", b"kept")
    await store.write(table, "f1", "data", b"short")
    assert await store.read(table, "f1", "data") == b"short"
    assert await rows(table) == ["data-00000", "data-more-00000"]


async def test_everything_under_a_prefix_comes_in_order(table):
    big = os.urandom(store.ROW_BYTES + 7)
    for name, content in {"part-00001": b"one", "part-00000": big, "part-00010": b"ten", "plan": b"p"}.items():
        await store.write(table, "f1", name, content)
    await store.write(table, "f2", "part-00000", b"another file's")
    found = [pair async for pair in store.read_all(table, "f1", "part-")]
    assert found == [("part-00000", big), ("part-00001", b"one"), ("part-00010", b"ten")]
    assert [pair async for pair in store.read_all(table, "f3", "part-")] == []


async def test_removing_takes_all_of_one_file_and_may_be_repeated(table):
    for number in range(205):
        await store.write(table, "f1", f"part-{number:05}", b"x")
    await store.write(table, "f2", "data", b"kept")
    assert await store.remove(table, "f1") == 205
    assert await store.remove(table, "f1") == 0
    assert await rows(table) == []
    assert await store.read(table, "f2", "data") == b"kept"


async def test_two_that_remove_at_once_do_not_disturb_each_other(table, mocker):
    for number in range(3):
        await store.write(table, "f1", f"part-{number}", b"x")
    submit = table.submit_transaction

    async def late(operations, **options):
        await table.delete_entity("f1", "part-1-00000")
        return await submit(operations, **options)

    mocker.patch.object(table, "submit_transaction", late)
    assert await store.remove(table, "f1") == 3
    assert await rows(table) == []


async def test_what_is_gone_or_torn_is_said_to_be_gone(table):
    with pytest.raises(NotFoundError, match="send the file again"):
        await store.read(table, "none", "data")
    await store.write(table, "f1", "part-0", b"x" * (store.ROW_BYTES * 2))
    await table.delete_entity("f1", "part-0-00001")
    with pytest.raises(NotFoundError):
        await store.read(table, "f1", "part-0")
    with pytest.raises(NotFoundError):
        [pair async for pair in store.read_all(table, "f1", "part-")]


async def test_old_files_are_purged(table):
    await store.write(table, "f1", "data", b"x")
    await store.write(table, "f2", "data", b"x")
    now = datetime.now(timezone.utc)
    assert await store.purge(table, now - timedelta(hours=1)) == 0
    assert await store.purge(table, now + timedelta(hours=1)) == 2
    assert await rows(table) == []
