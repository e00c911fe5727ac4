from __future__ import annotations

import asyncio

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableTransactionError, UpdateMode

from tests.contract.tables.conftest import stricter_than_azurite


def row(key: str, **properties) -> dict:
    return {"PartitionKey": "p", "RowKey": key, **properties}


async def keys(table) -> list[str]:
    return [entity["RowKey"] async for entity in table.list_entities()]


async def test_every_kind_of_operation_in_one(table):
    for key in ("merged", "replaced", "deleted", "upserted"):
        await table.create_entity(row(key, old=1))

    results = await table.submit_transaction(
        [
            ("create", row("created", new=b"\r\n\r\n--")),
            ("update", row("merged", new="line\r\nbreak"), {"mode": UpdateMode.MERGE}),
            ("update", row("replaced", new=1), {"mode": "replace"}),
            ("delete", row("deleted")),
            ("upsert", row("upserted", new=1), {"mode": "replace"}),
            ("upsert", row("it's ü%41", new=1)),
        ]
    )

    assert len(results) == 6
    assert await keys(table) == ["created", "it's ü%41", "merged", "replaced", "upserted"]
    assert dict(await table.get_entity("p", "created")) == row("created", new=b"\r\n\r\n--")
    assert dict(await table.get_entity("p", "merged")) == row("merged", old=1, new="line\r\nbreak")
    assert dict(await table.get_entity("p", "replaced")) == row("replaced", new=1)
    assert dict(await table.get_entity("p", "upserted")) == row("upserted", new=1)


async def test_each_result_has_the_etag_of_its_entity(table):
    results = await table.submit_transaction([("create", row("a")), ("upsert", row("b"))])

    for result, key in zip(results, "ab", strict=True):
        assert result["etag"] == (await table.get_entity("p", key)).metadata["etag"]


async def test_a_refused_operation_undoes_all_and_is_named(table):
    await table.create_entity(row("there", n=1))

    with pytest.raises(TableTransactionError) as refusal:
        await table.submit_transaction(
            [("create", row("a")), ("upsert", row("there", n=2)), ("create", row("there2")), ("delete", row("none"))]
        )

    assert refusal.value.index == 3
    assert refusal.value.status_code == 404
    assert refusal.value.error_code == "ResourceNotFound"
    assert await keys(table) == ["there"]
    assert (await table.get_entity("p", "there"))["n"] == 1


async def test_an_insert_of_what_is_there_is_refused(table):
    await table.create_entity(row("there"))

    with pytest.raises(TableTransactionError) as refusal:
        await table.submit_transaction([("create", row("a")), ("create", row("there"))])

    assert (refusal.value.index, refusal.value.error_code) == (1, "EntityAlreadyExists")
    assert refusal.value.status_code == 409


async def test_an_old_etag_is_refused(table):
    await table.create_entity(row("a", n=1))
    old = await table.get_entity("p", "a")
    await asyncio.sleep(0.01)
    await table.upsert_entity(row("a", n=2))

    with pytest.raises(TableTransactionError) as refusal:
        await table.submit_transaction(
            [
                ("upsert", row("b")),
                ("update", old, {"etag": old.metadata["etag"], "match_condition": MatchConditions.IfNotModified}),
            ]
        )

    assert (refusal.value.index, refusal.value.error_code) == (1, "UpdateConditionNotSatisfied")
    assert refusal.value.status_code == 412
    assert await keys(table) == ["a"]


async def test_one_entity_twice_is_refused(table):
    with pytest.raises(HttpResponseError) as refusal:
        await table.submit_transaction([("upsert", row("a")), ("upsert", row("a"))])

    assert refusal.value.error_code == "InvalidDuplicateRow"
    assert await keys(table) == []


async def test_a_hundred_is_the_most(table):
    await table.submit_transaction([("upsert", row(f"{n:03d}")) for n in range(100)])
    assert len(await keys(table)) == 100


@stricter_than_azurite  # its answer cannot be parsed
async def test_more_than_a_hundred_are_refused(table):
    with pytest.raises(HttpResponseError) as refusal:
        await table.submit_transaction([("upsert", row(f"{n:03d}", late=1)) for n in range(101)])

    assert refusal.value.error_code == "InvalidInput"
    assert await keys(table) == []


@stricter_than_azurite  # its answer is no error body
async def test_none_is_nothing(table):
    assert await table.submit_transaction([]) == []


async def test_a_table_that_is_not_there(service):
    missing = service.get_table_client("missingtable")

    with pytest.raises(TableTransactionError) as refusal:
        await missing.submit_transaction([("upsert", row("a"))])

    assert refusal.value.error_code == "TableNotFound"


async def test_transactions_side_by_side_all_count(table):
    await asyncio.gather(
        *(table.submit_transaction([("upsert", row(f"{n}-{m}")) for m in range(10)]) for n in range(8))
    )

    assert len(await keys(table)) == 80
