"""Putting a message on an Azure Storage queue."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ringback.errors import ConfigurationError
from ringback.settings import Settings


async def put_on_queue(config: Settings, queue: str, text: str) -> None:
    """Add a message, base64-encoded as the queue triggers of Azure Functions expect, creating the queue if missing."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415  only who uses a queue pays its import
    from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415
    from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415

    options: dict[str, Any] = {}
    if config.queues_endpoint:
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

        credential = DefaultAzureCredential(managed_identity_client_id=config.managed_identity_client_id or None)
        service = QueueServiceClient(config.queues_endpoint, credential=credential, **options)
    elif config.queues_connection:
        service = QueueServiceClient.from_connection_string(config.queues_connection, **options)
    else:
        raise ConfigurationError("EXTERNAL_JOB_QUEUE needs a storage account: set AzureWebJobsStorage.")
    async with service:
        client = service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        with suppress(ResourceExistsError):
            await client.create_queue()
        await client.send_message(text, time_to_live=-1)
