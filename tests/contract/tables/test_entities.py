from __future__ import annotations

import asyncio

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableServiceClient as SyncService
from azure.data.tables import UpdateMode

from tests.contract.tables import endpoints

KEYS = {"PartitionKey": "p", "RowKey": "r"}


async def test_what_was_inserted_is_read(table):
    written = await table.create_entity({**KEYS, "name": "Ada", "age": 36})
    entity = await table.get_entity("p", "r")

    assert dict(entity) == {**KEYS, "name": "Ada", "age": 36}
    assert entity.metadata["etag"] == written["etag"]
    assert entity.metadata["timestamp"].tzinfo is not None


async def test_inserting_twice_is_refused(table):
    await table.create_entity(KEYS)

    with pytest.raises(ResourceExistsError) as refusal:
        await table.create_entity(KEYS)

    assert refusal.value.status_code == 409
    assert refusal.value.response.headers["x-ms-error-code"] == "EntityAlreadyExists"


async def test_an_insert_answers_with_the_entity_only_when_asked(table):
    echoed = await table.create_entity({**KEYS, "n": 1}, headers={"Prefer": "return-content"})
    silent = await table.create_entity({**KEYS, "RowKey": "s"}, headers={"Prefer": "return-no-content"})

    assert echoed["content"]["n"] == 1
    assert echoed["preference_applied"] == "return-content"
    assert silent["preference_applied"] == "return-no-content"
    assert silent["etag"]


async def test_a_missing_entity(table):
    with pytest.raises(ResourceNotFoundError) as refusal:
        await table.get_entity("p", "none")

    assert refusal.value.error_code == "ResourceNotFound"


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
async def test_an_upsert_inserts_what_is_not_there(table, mode):
    await table.upsert_entity({**KEYS, "a": 1}, mode)

    assert (await table.get_entity("p", "r"))["a"] == 1


async def test_merge_keeps_other_properties_and_replace_does_not(table):
    await table.create_entity({**KEYS, "kept": 1, "changed": "old"})

    await table.upsert_entity({**KEYS, "changed": "new"}, UpdateMode.MERGE)
    assert dict(await table.get_entity("p", "r")) == {**KEYS, "kept": 1, "changed": "new"}

    await table.update_entity({**KEYS, "changed": 2.5}, UpdateMode.MERGE)
    assert dict(await table.get_entity("p", "r")) == {**KEYS, "kept": 1, "changed": 2.5}

    await table.update_entity({**KEYS, "alone": True}, UpdateMode.REPLACE)
    assert dict(await table.get_entity("p", "r")) == {**KEYS, "alone": True}


async def test_merging_another_type_leaves_no_trace_of_the_old_one(table):
    await table.create_entity({**KEYS, "value": b"bytes"})
    await table.update_entity({**KEYS, "value": "text"}, UpdateMode.MERGE)

    assert (await table.get_entity("p", "r"))["value"] == "text"


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
async def test_an_update_of_what_is_not_there_is_refused(table, mode):
    with pytest.raises(ResourceNotFoundError) as refusal:
        await table.update_entity(KEYS, mode)

    assert refusal.value.error_code == "ResourceNotFound"


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
async def test_an_update_with_an_old_etag_is_refused(table, mode):
    await table.create_entity({**KEYS, "n": 0})
    old = await table.get_entity("p", "r")
    await asyncio.sleep(0.01)
    await table.update_entity({**KEYS, "n": 1}, UpdateMode.REPLACE)

    old["n"] = 2
    with pytest.raises(ResourceModifiedError) as refusal:
        await table.update_entity(old, mode, match_condition=MatchConditions.IfNotModified)

    assert refusal.value.status_code == 412
    assert refusal.value.error_code == "UpdateConditionNotSatisfied"
    assert (await table.get_entity("p", "r"))["n"] == 1


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
async def test_an_update_with_the_present_etag_is_done_and_gives_a_new_one(table, mode):
    await table.create_entity({**KEYS, "n": 0})
    entity = await table.get_entity("p", "r")
    await asyncio.sleep(0.01)

    entity["n"] = 1
    written = await table.update_entity(entity, mode, match_condition=MatchConditions.IfNotModified)

    again = await table.get_entity("p", "r")
    assert again["n"] == 1
    assert again.metadata["etag"] == written["etag"] != entity.metadata["etag"]
    assert again.metadata["timestamp"] > entity.metadata["timestamp"]


async def test_of_two_updates_with_one_etag_one_wins(table):
    await table.create_entity({**KEYS, "n": 0})
    entity = await table.get_entity("p", "r")
    await asyncio.sleep(0.01)

    updates = [
        table.update_entity(
            {**entity, "n": n}, etag=entity.metadata["etag"], match_condition=MatchConditions.IfNotModified
        )
        for n in range(5)
    ]
    results = await asyncio.gather(*updates, return_exceptions=True)

    assert sum(isinstance(result, ResourceModifiedError) for result in results) == 4


async def test_a_deleted_entity_is_gone_and_deleting_again_is_quiet(table):
    await table.create_entity(KEYS)
    await table.delete_entity("p", "r")
    await table.delete_entity("p", "r")

    with pytest.raises(ResourceNotFoundError):
        await table.get_entity("p", "r")


async def test_a_delete_with_an_old_etag_is_refused(table):
    await table.create_entity(KEYS)
    old = await table.get_entity("p", "r")
    await asyncio.sleep(0.01)
    await table.upsert_entity({**KEYS, "n": 1})

    with pytest.raises(ResourceModifiedError):
        await table.delete_entity(old, match_condition=MatchConditions.IfNotModified)

    present = await table.get_entity("p", "r")
    await table.delete_entity(present, match_condition=MatchConditions.IfNotModified)


async def test_an_etag_that_is_none_is_refused(table):
    await table.create_entity(KEYS)

    with pytest.raises(HttpResponseError) as refusal:
        await table.update_entity(KEYS, etag="nonsense", match_condition=MatchConditions.IfNotModified)

    assert refusal.value.status_code == 400


async def test_only_selected_properties_are_read(table):
    await table.create_entity({**KEYS, "a": 1, "b": b"x", "c": "y"})
    entity = await table.get_entity("p", "r", select=["b", "RowKey"])

    assert dict(entity) == {"RowKey": "r", "b": b"x"}
    assert entity.metadata["etag"]


@pytest.mark.parametrize(
    ("partition", "row"),
    [
        ("", ""),
        ("it's", "a 'quoted' key''"),
        ("ünïcode ☃ 𝄞", "日本"),
        ("100%", "a+b&c=d;e,f:g@h!$(i)*"),
        ("%2F", "a%20b"),
        (" leading", "trailing "),
        ("~-._", '"double" <angle> {brace} [bracket] |^`'),
    ],
)
async def test_keys_of_every_kind(table, partition, row):
    keys = {"PartitionKey": partition, "RowKey": row}
    await table.create_entity({**keys, "n": 1})
    await table.update_entity({**keys, "n": 2}, UpdateMode.MERGE)

    assert dict(await table.get_entity(partition, row)) == {**keys, "n": 2}
    await table.delete_entity(partition, row)
    assert [entity async for entity in table.list_entities()] == []


async def test_the_synchronous_client_signs_and_speaks_alike(port, table):
    with SyncService.from_connection_string(endpoints.connection_string(port), retry_total=0) as service:
        client = service.get_table_client(table.table_name)
        client.create_entity({"PartitionKey": "it's ü", "RowKey": "a b+c", "n": 1})
        client.submit_transaction([("update", {"PartitionKey": "it's ü", "RowKey": "a b+c", "n": 2})])

        assert client.get_entity("it's ü", "a b+c")["n"] == 2
        assert len(list(client.query_entities("n eq 2 and PartitionKey eq 'it''s ü'"))) == 1
        client.delete_entity("it's ü", "a b+c")
