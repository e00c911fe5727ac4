from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.contract.tables.conftest import unique_name


async def test_a_table_is_created_listed_and_deleted(service):
    name = unique_name()
    await service.create_table(name)

    assert name in [item.name async for item in service.list_tables()]

    await service.delete_table(name)
    assert name not in [item.name async for item in service.list_tables()]


async def test_creating_twice_is_refused(service, table):
    with pytest.raises(ResourceExistsError) as refusal:
        await service.create_table(table.table_name)

    assert refusal.value.status_code == 409
    assert refusal.value.error_code == "TableAlreadyExists"


async def test_names_differ_by_more_than_case(service, table):
    with pytest.raises(ResourceExistsError):
        await service.create_table(table.table_name.upper())


async def test_create_if_not_exists_bears_both(service):
    name = unique_name()
    await service.create_table_if_not_exists(name)
    await service.create_table_if_not_exists(name)
    await service.delete_table(name)


async def test_deleting_a_table_that_is_not_there_is_quiet(service):
    await service.delete_table(unique_name())


async def test_a_deleted_table_keeps_nothing_for_its_successor(service):
    name = unique_name()
    first = await service.create_table(name)
    await first.create_entity({"PartitionKey": "p", "RowKey": "r"})
    await service.delete_table(name)

    second = await service.create_table(name)
    assert [entity async for entity in second.list_entities()] == []
    await service.delete_table(name)


@pytest.mark.parametrize("name", ["ab", "1abc", "a-b-c", "a" * 64, "tables"])
async def test_a_name_outside_the_rules_is_refused(service, name):
    with pytest.raises((ValueError, HttpResponseError)):
        await service.create_table(name)


async def test_tables_are_queried_by_name(service):
    names = sorted(unique_name() for _ in range(3))
    for name in names:
        await service.create_table(name)

    found = [
        item.name
        async for item in service.query_tables(
            "TableName ge @low and TableName le @high", parameters={"low": names[0], "high": names[1]}
        )
    ]
    exact = [item.name async for item in service.query_tables(f"TableName eq '{names[2]}'")]

    assert [name for name in found if name in names] == names[:2]
    assert exact == [names[2]]
    for name in names:
        await service.delete_table(name)


async def test_tables_are_listed_in_pages(service):
    names = sorted(unique_name() for _ in range(5))
    for name in names:
        await service.create_table(name)

    pages = [[item.name async for item in page] async for page in service.list_tables(results_per_page=2).by_page()]

    listed = [name for page in pages for name in page]
    assert [name for name in listed if name in names] == names
    assert all(len(page) <= 2 for page in pages)
    for name in names:
        await service.delete_table(name)


async def test_entities_of_a_table_that_is_not_there(service):
    missing = service.get_table_client(unique_name())

    with pytest.raises(ResourceNotFoundError) as inserting:
        await missing.create_entity({"PartitionKey": "p", "RowKey": "r"})
    with pytest.raises(ResourceNotFoundError) as reading:
        await missing.get_entity("p", "r")
    with pytest.raises(ResourceNotFoundError) as querying:
        [entity async for entity in missing.list_entities()]
    with pytest.raises(ResourceNotFoundError):
        await missing.upsert_entity({"PartitionKey": "p", "RowKey": "r"})

    for failure in (inserting, reading, querying):
        assert failure.value.status_code == 404
    assert reading.value.error_code == "TableNotFound"
