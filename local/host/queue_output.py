"""The queue output binding: what a function returned or set becomes messages."""

from __future__ import annotations

import contextlib
from typing import Any

from azure.functions.meta import get_binding_registry

from local.host import jsontext, storage_queues
from local.host.functions import Binding
from local.host.settings import expand
from local.host.storage_queues import StorageQueues


class QueueOutput:
    def __init__(self, queues: StorageQueues, encoding: str) -> None:
        self._queues = queues
        self._encoding = encoding

    async def send(self, binding: Binding, value: Any) -> None:
        """Put the messages of a value into the binding's queue, which is made if it is not there."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError  # noqa: PLC0415 - lazily

        connection = str(binding.settings.get("connection") or "AzureWebJobsStorage")
        queue = self._queues.queue(connection, expand(str(binding.settings["queueName"])))
        for body in messages_of(value):
            content = storage_queues.encoded(body, self._encoding)
            try:
                await queue.send_message(content)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    await queue.create_queue()
                await queue.send_message(content)


def messages_of(value: Any) -> list[bytes]:
    """The bodies of the messages that a value stands for. Raises NotImplementedError for other types."""
    datum = get_binding_registry().get("queue").encode(value, expected_type=None)
    if datum.type == "bytes":
        return [datum.value]
    if datum.type == "string":
        return [datum.value.encode()]
    content = jsontext.loads(datum.value)
    items = content if isinstance(content, list) else [content]
    return [_body(item).encode() for item in items]


def _body(item: Any) -> str:
    if isinstance(item, dict) and set(item) == {"id", "body"}:
        return str(item["body"])
    return item if isinstance(item, str) else jsontext.dumps(item)
