from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import EdmType, EntityProperty

from tests.contract.tables.conftest import stricter_than_azurite

KEYS = {"PartitionKey": "p", "RowKey": "r"}
IDENTIFIER = UUID("c9da6455-213d-42c9-9a79-3e9149a57833")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        'line\nbreak, "quotes", \\ and ☃ 𝄞',
        0,
        -(2**31),
        2**31 - 1,
        True,
        False,
        1.5,
        5.0,
        -0.1,
        1e300,
        math.inf,
        -math.inf,
        b"",
        bytes(range(256)),
        IDENTIFIER,
        datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=timezone.utc),
        datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
    ids=repr,
)
async def test_a_value_comes_back_as_it_went(table, value):
    await table.create_entity({**KEYS, "value": value})
    found = (await table.get_entity("p", "r"))["value"]

    assert found == value
    assert isinstance(found, type(value))


async def test_a_value_that_is_not_a_number_comes_back(table):
    await table.create_entity({**KEYS, "value": math.nan})

    assert math.isnan((await table.get_entity("p", "r"))["value"])


@pytest.mark.parametrize("number", [0, 1, -1, 2**40, 2**63 - 1, -(2**63)])
async def test_large_integers(table, number):
    await table.create_entity({**KEYS, "value": EntityProperty(number, EdmType.INT64)})
    found = (await table.get_entity("p", "r"))["value"]

    assert found == EntityProperty(number, EdmType.INT64)


async def test_a_property_without_value_is_not_kept(table):
    await table.create_entity({**KEYS, "nothing": None, "something": 1})
    assert dict(await table.get_entity("p", "r")) == {**KEYS, "something": 1}

    await table.update_entity({**KEYS, "something": None, "more": 2})
    assert dict(await table.get_entity("p", "r")) == {**KEYS, "something": 1, "more": 2}


async def test_a_moment_keeps_its_tenth_of_a_microsecond(table):
    moment = "2024-02-29T12:30:15.1234567Z"
    await table.create_entity({**KEYS, "value": EntityProperty(moment, EdmType.DATETIME)})
    found = (await table.get_entity("p", "r"))["value"]

    assert found.tables_service_value == moment


async def test_the_client_chooses_how_much_metadata_it_gets(table):
    await table.create_entity({**KEYS, "value": b"x"})

    async def read(level):
        headers = {"Accept": f"application/json;odata={level}"}
        return await table.get_entity("p", "r", headers=headers)

    assert (await read("nometadata"))["value"] == "eA=="
    assert (await read("minimalmetadata"))["value"] == b"x"
    full = await read("fullmetadata")
    assert full["value"] == b"x"
    assert full.metadata["editLink"] == f"{table.table_name}(PartitionKey='p',RowKey='r')"
    assert full.metadata["type"] == f"devstoreaccount1.{table.table_name}"


async def test_a_moment_that_is_empty_is_refused(table):
    with pytest.raises(HttpResponseError) as refusal:
        await table.create_entity({**KEYS, "value": EntityProperty("", EdmType.DATETIME)})

    assert refusal.value.status_code == 400


@stricter_than_azurite  # it keeps what it is given
@pytest.mark.parametrize(
    ("value", "kind"),
    [("nonsense", EdmType.GUID), ("2024-13-01T00:00:00Z", EdmType.DATETIME), ("nonsense", EdmType.DOUBLE)],
)
async def test_a_value_that_its_type_does_not_allow_is_refused(table, value, kind):
    with pytest.raises(HttpResponseError) as refusal:
        await table.upsert_entity({**KEYS, "value": EntityProperty(value, kind)})

    assert refusal.value.error_code == "InvalidInput"
