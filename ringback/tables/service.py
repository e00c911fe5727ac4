"""One TableServiceClient for each event loop, and tables that come into being when first used."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any
from urllib.request import getproxies
from weakref import WeakKeyDictionary

from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient

from ringback.errors import ConfigurationError
from ringback.settings import Settings, settings

OPERATIONS = "operations"
OPEN_OPERATIONS = "openoperations"
REFERENCES = "references"
ALIASES = "aliases"
ADDRESSES = "addresses"
USERS = "users"
LEDGER = "ledger"
NOTIFICATIONS = "notifications"
DEAD_LETTERS = "deadletters"
ERRANDS = "errands"
THROTTLE = "throttle"
FILES = "files"
ENGAGEMENT = "engagement"


class Tables:
    """The app's tables over one pooled client; `await tables.get(name)` creates the table if it is missing.

    `hub` is the task hub of this process: orchestrations of others that share the tables are out of its sight.
    """

    def __init__(self, service: TableServiceClient, hub: str = "") -> None:
        self._service = service
        self.hub = hub
        self._ready: dict[str, asyncio.Task[TableClient]] = {}

    async def get(self, name: str) -> TableClient:
        """The client of one table."""
        task = self._ready.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._ready[name] = asyncio.create_task(self._create(name))
        return await asyncio.shield(task)

    async def _create(self, name: str) -> TableClient:
        client = self._service.get_table_client(name)
        with suppress(ResourceExistsError):
            await client.create_table()
        return client

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()


_tables: WeakKeyDictionary[asyncio.AbstractEventLoop, Tables] = WeakKeyDictionary()


def tables() -> Tables:
    """The tables of the running event loop: an aiohttp connection pool must not cross loops."""
    loop = asyncio.get_running_loop()
    found = _tables.get(loop)
    if found is None:
        config = settings()
        found = _tables[loop] = Tables(connect(config), config.hub)
    return found


def connect(config: Settings) -> TableServiceClient:
    """A service client by connection string, or by managed identity where only an endpoint is given."""
    options: dict[str, Any] = {
        "retry_total": 5,
        "retry_backoff_factor": 0.2,
        # A line for each request and each answer is what the SDK writes at INFO, the level of a function app.
        "http_logging_level": logging.DEBUG,
        # With the environment's settings aiohttp looks for a proxy and for a .netrc on each request, in two threads.
        "transport": AioHttpTransport(use_env_settings=bool(getproxies())),
    }
    if config.tables_endpoint:
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415  100 ms that local runs never need

        client_id = config.managed_identity_client_id or None
        credential = DefaultAzureCredential(managed_identity_client_id=client_id)
        return TableServiceClient(config.tables_endpoint, credential=credential, **options)
    if not config.tables_connection:
        message = "No Table storage is configured: set AzureWebJobsStorage (UseDevelopmentStorage=true locally)."
        raise ConfigurationError(message)
    return TableServiceClient.from_connection_string(config.tables_connection, **options)
