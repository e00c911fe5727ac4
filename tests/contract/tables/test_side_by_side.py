"""Random operations done on the embedded endpoint and on Azurite: every answer must be the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from uuid import UUID

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from tests.contract.tables import endpoints

OPERATIONS = 300
OLD_ETAG = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""
ORDERED = ("eq", "ne", "gt", "ge", "lt", "le")
EQUAL = ("eq", "ne")


class Dice:
    """One seed's entities, filters and operations, over few keys so that they meet."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.values = {
            "text": lambda: self.random.choice(["", "a", "b", "it's", "ü"]),
            "number": lambda: self.random.randint(-5, 5),
            "share": lambda: self.random.choice([0.5, 1.5, -2.5]),
            "flag": lambda: self.random.random() < 0.5,
            "at": lambda: datetime(2024, 1, self.random.randint(1, 5), tzinfo=timezone.utc),
            "id": lambda: UUID(int=self.random.randint(0, 3)),
            "raw": lambda: bytes([self.random.randint(0, 3)]),
            "large": lambda: EntityProperty(2**33 + self.random.randint(0, 5), EdmType.INT64),
        }

    def entity(self) -> dict:
        chosen = {name: value() for name, value in self.values.items() if self.random.random() < 0.5}
        return {"PartitionKey": self.random.choice("ab"), "RowKey": self.random.choice("xyz"), **chosen}

    def filter(self, depth: int = 0) -> str:
        kind = self.random.random()
        if depth > 2 or kind < 0.4:
            return self.comparison()
        if kind < 0.6:
            return f"({self.filter(depth + 1)}) and {self.filter(depth + 1)}"
        if kind < 0.8:
            return f"{self.filter(depth + 1)} or ({self.filter(depth + 1)})"
        return f"{'not ' if kind < 0.9 else ''}({self.filter(depth + 1)})"

    def comparison(self) -> str:
        name = self.random.choice([*self.values, "PartitionKey", "RowKey"])
        if name not in self.values:
            return f"{name} {self.random.choice(ORDERED)} '{self.random.choice('abxyz')}'"
        operators = EQUAL if name in ("flag", "id", "raw") else ORDERED
        return f"{name} {self.random.choice(operators)} {literal(self.values[name]())}"

    def transaction(self) -> list[tuple[str, dict]]:
        partition = self.random.choice("ab")
        rows = self.random.sample("xyz", self.random.randint(1, 3))
        kinds = ("create", "upsert", "update", "delete")
        return [
            (self.random.choice(kinds), {**self.entity(), "PartitionKey": partition, "RowKey": row}) for row in rows
        ]


def literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        return f"datetime'{value:%Y-%m-%dT%H:%M:%SZ}'"
    if isinstance(value, EntityProperty):
        return f"{value.value}L"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return f"guid'{value}'" if isinstance(value, UUID) else str(value)


async def answer(table: TableClient, kind: str, entity: dict, text: str, changes: list, page: int | None) -> object:
    """What a client sees of one operation; an error is its status, code and place in the transaction."""
    key = entity["PartitionKey"], entity["RowKey"]
    unmodified = {"match_condition": MatchConditions.IfNotModified}
    try:
        if kind == "create":
            await table.create_entity(entity)
        elif kind in ("merge", "replace"):
            await table.update_entity(entity, UpdateMode.MERGE if kind == "merge" else UpdateMode.REPLACE)
        elif kind in ("upsert merge", "upsert replace"):
            await table.upsert_entity(entity, kind.removeprefix("upsert "))
        elif kind == "delete":
            await table.delete_entity(*key)
        elif kind == "stale":
            await table.update_entity(entity, etag=OLD_ETAG, **unmodified)
        elif kind == "fresh":
            etag = (await table.get_entity(*key)).metadata["etag"]
            await table.update_entity(entity, etag=etag, **unmodified)
        elif kind == "get":
            return dict(await table.get_entity(*key))
        elif kind == "query":
            return [dict(row) async for row in table.query_entities(text, results_per_page=page)]
        else:
            await table.submit_transaction(changes)
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.response.headers.get("x-ms-error-code")
        return error.status_code, code, getattr(error, "index", None)
    return "done"


KINDS = [
    "create",
    "merge",
    "replace",
    "upsert merge",
    "upsert replace",
    "delete",
    "stale",
    "fresh",
    "get",
    "transaction",
]
WEIGHTED = [*KINDS, "query", "query", "query"]


@pytest.fixture(scope="module")
def ports(tmp_path_factory) -> Iterator[tuple[int, int]]:
    folder = tmp_path_factory.mktemp("side-by-side")
    with endpoints.azurite(folder / "azurite") as theirs, endpoints.embedded(folder / "embedded") as ours:
        yield ours, theirs


@pytest.fixture
async def tables(ports) -> AsyncIterator[list[TableClient]]:
    services = [
        TableServiceClient.from_connection_string(endpoints.connection_string(port), retry_total=0) for port in ports
    ]
    made = [await service.create_table("Both") for service in services]
    yield made
    for service, table in zip(services, made, strict=True):
        await service.delete_table("Both")
        await table.close()
        await service.close()


@pytest.mark.parametrize("seed", range(3))
async def test_random_operations_have_the_same_answers(tables, seed):
    dice = Dice(seed)
    for number in range(OPERATIONS):
        kind = dice.random.choice(WEIGHTED)
        page = dice.random.choice([None, 2])
        given = (kind, dice.entity(), dice.filter(), dice.transaction(), page)
        ours, theirs = await asyncio.gather(*(answer(table, *given) for table in tables))

        assert ours == theirs, f"operation {number}: {given}"
