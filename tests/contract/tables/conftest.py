from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from tests.contract.tables import endpoints


@pytest.fixture(scope="session", params=["embedded", "azurite"])
def port(request, tmp_path_factory) -> Iterator[int]:
    start = getattr(endpoints, request.param)
    with start(tmp_path_factory.mktemp(request.param)) as found:
        yield found


# For behaviour of the service that Azurite does not have; each use says what Azurite does instead.
stricter_than_azurite = pytest.mark.parametrize("port", ["embedded"], indirect=True)


@pytest.fixture
async def service(port) -> AsyncIterator[TableServiceClient]:
    async with TableServiceClient.from_connection_string(endpoints.connection_string(port), retry_total=0) as client:
        yield client


@pytest.fixture
async def table(service) -> AsyncIterator[TableClient]:
    client = await service.create_table(unique_name())
    async with client:
        yield client
    await service.delete_table(client.table_name)


def unique_name() -> str:
    return f"t{uuid.uuid4().hex}"
