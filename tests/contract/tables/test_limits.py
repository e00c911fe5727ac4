from __future__ import annotations

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.data.tables import RequestTooLargeError
from azure.data.tables.aio import TableServiceClient

from tests.contract.tables import endpoints
from tests.contract.tables.conftest import stricter_than_azurite

KEYS = {"PartitionKey": "p", "RowKey": "r"}


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\tb", "a\x7fb", "k" * 513])
async def test_a_key_outside_the_rules_is_refused(table, key):
    for keys in ({"PartitionKey": key, "RowKey": "r"}, {"PartitionKey": "p", "RowKey": key}):
        with pytest.raises(HttpResponseError) as refusal:
            await table.create_entity(keys)
        assert refusal.value.status_code == 400


async def test_a_key_of_half_a_thousand_characters_is_allowed(table):
    await table.create_entity({"PartitionKey": "p" * 512, "RowKey": "r" * 512})

    assert (await table.get_entity("p" * 512, "r" * 512))["RowKey"] == "r" * 512


@pytest.mark.parametrize("missing", ["PartitionKey", "RowKey"])
async def test_an_entity_has_both_keys(table, missing):
    with pytest.raises(ValueError, match=missing):
        await table.create_entity({name: value for name, value in KEYS.items() if name != missing})


@pytest.mark.parametrize("value", ["x" * 32 * 1024, "☃" * 32 * 1024, b"x" * 64 * 1024], ids=["ascii", "wide", "bytes"])
async def test_a_property_may_have_64_kib(table, value):
    await table.create_entity({**KEYS, "value": value})

    assert (await table.get_entity("p", "r"))["value"] == value


@pytest.mark.parametrize("value", ["x" * (32 * 1024 + 1), b"x" * (64 * 1024 + 1)], ids=["text", "bytes"])
async def test_a_property_may_not_have_more(table, value):
    with pytest.raises(HttpResponseError) as refusal:
        await table.create_entity({**KEYS, "value": value})

    assert refusal.value.status_code == 400
    assert refusal.value.response.headers["x-ms-error-code"] == "PropertyValueTooLarge"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_entity_may_have_almost_a_mebibyte_but_not_more(table):
    parts = {f"part{n}": b"x" * 64 * 1024 for n in range(11)}
    await table.upsert_entity({**KEYS, **parts})
    assert dict(await table.get_entity("p", "r")) == {**KEYS, **parts}

    with pytest.raises(HttpResponseError) as refusal:
        await table.upsert_entity({**KEYS, **{f"part{n}": b"x" * 64 * 1024 for n in range(17)}})
    assert refusal.value.error_code == "EntityTooLarge"


async def test_another_key_is_refused(port):
    wrong = endpoints.connection_string(port, key="d3Jvbmcga2V5IGZvciB0aGlzIGFjY291bnQ=")
    async with TableServiceClient.from_connection_string(wrong, retry_total=0) as service:
        with pytest.raises(HttpResponseError) as refusal:
            [item async for item in service.list_tables()]

    assert refusal.value.status_code == 403


@stricter_than_azurite  # its code is AuthorizationFailure
async def test_another_key_is_an_authentication_error(port):
    wrong = endpoints.connection_string(port, key="d3Jvbmcga2V5IGZvciB0aGlzIGFjY291bnQ=")
    async with TableServiceClient.from_connection_string(wrong, retry_total=0) as service:
        with pytest.raises(ClientAuthenticationError) as refusal:
            await service.create_table("anytable")

    assert refusal.value.error_code == "AuthenticationFailed"


@stricter_than_azurite  # it does not count properties
async def test_an_entity_has_252_properties_at_most(table):
    await table.upsert_entity({**KEYS, **{f"n{n}": n for n in range(252)}})
    await table.update_entity({**KEYS, "n0": 1})

    with pytest.raises(HttpResponseError) as refusal:
        await table.update_entity({**KEYS, "one_more": 1})
    assert refusal.value.error_code == "TooManyProperties"


@stricter_than_azurite  # it takes any name
@pytest.mark.parametrize(
    ("name", "code"),
    [("a-b", "PropertyNameInvalid"), ("1a", "PropertyNameInvalid"), ("n" * 256, "PropertyNameTooLong")],
)
async def test_a_property_name_outside_the_rules_is_refused(table, name, code):
    with pytest.raises(HttpResponseError) as refusal:
        await table.upsert_entity({**KEYS, name: 1})

    assert refusal.value.error_code == code


@stricter_than_azurite  # it answers with as many as it is asked for
async def test_a_page_of_more_than_a_thousand_is_refused(table):
    with pytest.raises(HttpResponseError) as refusal:
        [entity async for entity in table.list_entities(results_per_page=1001)]

    assert refusal.value.status_code == 400


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@stricter_than_azurite  # its answer is no error body
async def test_a_transaction_has_4_mib_at_most(table):
    rows = [{**KEYS, "RowKey": str(n), "value": "x" * 32 * 1024, "more": "x" * 32 * 1024} for n in range(70)]
    with pytest.raises(RequestTooLargeError) as refusal:
        await table.submit_transaction([("upsert", row) for row in rows])

    assert refusal.value.status_code == 413
    assert [entity async for entity in table.list_entities()] == []
