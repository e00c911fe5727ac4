"""Connections to a storage account's queues: by setting, connection string or identity; Azurite by its short form."""

from __future__ import annotations

import base64
from typing import Any

from local.host.settings import setting

# The account that every Azurite has; its key is public.
DEVELOPMENT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IF"
    "suFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


class ConnectionMissingError(Exception):
    """No setting names the storage account; the message says which to set."""


class StorageQueues:
    """Queue clients of the accounts that bindings name, one service client an account."""

    def __init__(self) -> None:
        self._services: dict[str, Any] = {}
        self._credentials: list[Any] = []

    def queue(self, connection: str, name: str) -> Any:
        """An async QueueClient. Raises ConnectionMissingError, or ValueError for a connection string that is none."""
        if connection not in self._services:
            self._services[connection] = self._service(connection)
        return self._services[connection].get_queue_client(name)

    def _service(self, connection: str) -> Any:
        from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - slow, and few apps need it

        text = setting(connection) or setting(f"AzureWebJobs{connection}")
        if text:
            text = DEVELOPMENT if text.strip().rstrip(";").lower() == "usedevelopmentstorage=true" else text
            return QueueServiceClient.from_connection_string(text, retry_total=0)
        endpoint = setting(f"{connection}__queueServiceUri")
        if endpoint:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow, and rarely used here

            credential = DefaultAzureCredential(managed_identity_client_id=setting(f"{connection}__clientId"))
            self._credentials.append(credential)
            return QueueServiceClient(endpoint, credential=credential, retry_total=0)
        raise ConnectionMissingError(
            f"there is no setting '{connection}' with the connection string of a storage account. Put one into the "
            f"Values of local.settings.json (UseDevelopmentStorage=true for Azurite)."
        )

    async def close(self) -> None:
        for client in [*self._services.values(), *self._credentials]:
            await client.close()


def encoded(body: bytes, encoding: str) -> str:
    return base64.b64encode(body).decode() if encoding == "base64" else body.decode()


def decoded(content: str, encoding: str) -> bytes:
    """The bytes of a message; one that is no base64 counts as plain text, as the real host lets it."""
    if encoding != "base64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        return content.encode()
