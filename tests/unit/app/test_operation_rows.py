from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ringback.errors import TooLargeError
from ringback.ids import operation_id, owner_of, short_id
from ringback.tables.operations import OperationRow, OperationTable

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def table(tables) -> OperationTable:
    return OperationTable(tables)


def row(suffix: str = "abcdefghij", owner: str = "ann", **fields) -> OperationRow:
    return OperationRow(id=operation_id(owner, suffix), operation="external-job", created_at=NOW, **fields)


async def listed(table):
    return [identity async for identity, _ in table.listed_open()]


async def test_a_row_comes_back_as_it_was_written(table):
    given = row(input={"text": "äöü", "n": [1, None]}, user="u", conversation="c")
    assert await table.insert(given)
    assert await table.get(given.id) == given
    assert await listed(table) == [given.id]


async def test_an_id_is_inserted_once(table):
    assert await table.insert(row())
    assert not await table.insert(row(input={"other": 1}))
    assert (await table.get(row().id)).input == {}


async def test_marks_touch_only_their_field(table):
    await table.insert(row())
    await table.mark(row().id, cancel=True)
    await table.mark(row().id, started=True, waiting={"kind": "external"})
    found = await table.get(row().id)
    assert (found.cancel, found.started, found.waiting, found.state) == (True, True, {"kind": "external"}, "running")


async def test_the_first_end_stands(table):
    await table.insert(row())
    assert await table.end(row().id, "succeeded", "fine", NOW)
    assert not await table.end(row().id, "terminated", "late", NOW)
    found = await table.get(row().id)
    assert (found.state, found.text, found.ended_at, found.is_open) == ("succeeded", "fine", NOW, False)
    assert await listed(table) == []


async def test_ending_what_is_not_there_only_unlists_it(table):
    assert not await table.end("ann-nothing", "failed", "x", NOW)


async def test_a_repeated_insert_of_an_ended_operation_is_not_listed_again(table):
    await table.insert(row())
    await table.end(row().id, "succeeded", "fine", NOW)
    assert not await table.insert(row())
    assert await listed(table) == []


async def test_only_the_owners_open_rows_are_found(table):
    for suffix in ("one", "two", "three"):
        await table.insert(row(suffix))
    await table.insert(row("other", owner="bob"))
    await table.end("ann-two", "failed", "x", NOW)
    assert {found.id for found in await table.of_owner("ann", open_only=True)} == {"ann-one", "ann-three"}
    assert len(await table.of_owner("ann", open_only=False)) == 3


async def test_an_input_that_fits_no_row_is_refused_before_anything_is_written(table):
    with pytest.raises(TooLargeError):
        await table.insert(row(input={"x": "y" * 40_000}))
    assert await listed(table) == []


def test_an_id_tells_its_owner_and_a_short_form():
    identity = operation_id("a" * 32, "bcdefghijk")
    assert owner_of(identity) == "a" * 32
    assert short_id(identity) == "bcdefg"
