"""Putting a message on an Azure Storage queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringback.errors import ConfigurationError, RetryableError
from ringback.settings import Settings

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueServiceClient


# A person waits: a service that is not there is told soon, and the step is tried again by its own policy.
OPTIONS: dict[str, Any] = {"retry_total": 1, "connection_timeout": 5, "read_timeout": 15}
REFUSED = range(400, 500)


async def put_on_queue(config: Settings, queue: str, text: str) -> None:
    """Add a message, base64-encoded as the queue triggers of Azure Functions expect, creating the queue if missing.

    RetryableError when the service does not answer, ConfigurationError when it refuses.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError  # noqa: PLC0415
    from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415  only who uses a queue pays its import

    async with _service(config) as service:
        client = service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        try:
            try:
                await client.send_message(text, time_to_live=-1)
            except ResourceNotFoundError:
                await client.create_queue()
                await client.send_message(text, time_to_live=-1)
        except HttpResponseError as error:
            if error.status_code in REFUSED and error.status_code not in {408, 409, 429}:
                raise ConfigurationError(f"The queue {queue!r} refused a message: {error.message}") from error
            raise RetryableError("The queue to the other system does not take messages now.") from error
        except AzureError as error:
            raise RetryableError("The queue to the other system could not be reached.") from error


def _service(config: Settings) -> QueueServiceClient:
    from azure.storage.queue.aio import QueueServiceClient as Client  # noqa: PLC0415

    if config.queues_endpoint:
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

        credential = DefaultAzureCredential(managed_identity_client_id=config.managed_identity_client_id or None)
        return Client(config.queues_endpoint, credential=credential, **OPTIONS)
    if not config.queues_connection:
        raise ConfigurationError("EXTERNAL_JOB_QUEUE needs a storage account: set AzureWebJobsStorage.")
    return Client.from_connection_string(config.queues_connection, **OPTIONS)
