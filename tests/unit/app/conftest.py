"""What the app's unit tests share: tables that speak the real protocol, and an engine that keeps what it is told."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest
from aiohttp import web

from local.services.tables.server import TableServer
from local.services.tables.store import Store
from ringback.bot.inbound import Inbound, parse_inbound
from ringback.operations.desk import InstanceStatus, OperationsDesk
from ringback.settings import SAMPLE_SIGNING_KEY, Settings, read_settings
from ringback.tables.operations import OperationTable
from ringback.tables.service import Tables, connect


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def environ() -> dict[str, str]:
    return {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "SIGNING_KEY": SAMPLE_SIGNING_KEY,
        "BOT_ALLOW_ANONYMOUS": "true",
        "PUBLIC_URL": "http://127.0.0.1:7071",
    }


@pytest.fixture
async def table_port(tmp_path) -> AsyncIterator[int]:
    runner = web.AppRunner(TableServer(Store(tmp_path / "tables")).application(), access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port
    await runner.cleanup()


@pytest.fixture
def config(environ, table_port) -> Settings:
    connection = read_settings(environ).tables_connection.replace(":10002/", f":{table_port}/")
    return read_settings({**environ, "TABLES_CONNECTION_STRING": connection})


@pytest.fixture
async def tables(config) -> AsyncIterator[Tables]:
    found = Tables(connect(config))
    yield found
    await found.close()


class Engine:
    """A durable engine that runs nothing: instances are what a test says they are."""

    def __init__(self) -> None:
        self.instances: dict[str, InstanceStatus] = {}
        self.started: list[tuple[str, str, Any]] = []
        self.events: list[tuple[str, str, Any]] = []
        self.purged: list[str] = []
        self.broken = False

    async def start(self, orchestrator: str, instance_id: str, payload: Any, *, fresh: bool = False) -> None:
        if self.broken:
            raise ConnectionError("the engine is gone")
        if instance_id in self.instances:
            return
        self.started.append((orchestrator, instance_id, payload))
        self.show(instance_id, runtime="Running")

    async def status(self, instance_id: str) -> InstanceStatus | None:
        return self.instances.get(instance_id)

    async def raise_event(self, instance_id: str, name: str, data: Any) -> bool:
        status = self.instances.get(instance_id)
        if status is None or status.runtime not in {"Running", "Pending", "Suspended"}:
            return False
        self.events.append((instance_id, name, data))
        return True

    async def purge(self, instance_id: str) -> bool:
        status = self.instances.get(instance_id)
        if status is not None and status.runtime in {"Running", "Pending", "Suspended"}:
            return False
        if self.instances.pop(instance_id, None) is not None:
            self.purged.append(instance_id)
        return True

    def show(self, instance_id: str, runtime: str = "Running", **custom: Any) -> None:
        self.instances[instance_id] = InstanceStatus(runtime, custom)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def desk(tables, engine) -> OperationsDesk:
    return OperationsDesk(OperationTable(tables), engine)


def inbound(text: str = "", *, activity: str = "a1", user: str = "dl_ann", **fields: Any) -> Inbound:
    """An activity as Direct Line posts it."""
    body = {
        "type": "message",
        "id": activity,
        "channelId": "directline",
        "serviceUrl": "http://127.0.0.1:3978",
        "conversation": {"id": "c1"},
        "from": {"id": user, "name": "Ann"},
        "recipient": {"id": "bot"},
        "text": text,
        **fields,
    }
    return parse_inbound(body, now=datetime(2026, 3, 1, tzinfo=timezone.utc))
