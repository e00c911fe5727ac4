"""Queue-triggered functions: polling with growing pauses, retries by visibility, the poison queue."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import storage_queues, trigger_data
from local.host.functions import Function
from local.host.log import Log
from local.host.settings import SettingsError, expand, timespan
from local.host.storage_queues import ConnectionMissingError, StorageQueues

Deliver = Callable[[Function, Any], Awaitable[None]]
LEASE_SECONDS = 600
FIRST_PAUSE = 0.1
UNREACHABLE_PAUSE = 10.0


@dataclass(frozen=True)
class QueueSettings:
    """extensions.queues of host.json, with the real host's defaults; only the longest pause is shorter here."""

    batch_size: int = 16
    max_dequeue_count: int = 5
    max_pause: float = 2.0
    visibility_timeout: int = 0
    encoding: str = "base64"

    @classmethod
    def of(cls, section: dict[str, Any]) -> QueueSettings:
        """Raises SettingsError."""
        pause, visibility = section.get("maxPollingInterval"), section.get("visibilityTimeout")
        return cls(
            batch_size=min(32, max(1, int(section.get("batchSize", cls.batch_size)))),
            max_dequeue_count=int(section.get("maxDequeueCount", cls.max_dequeue_count)),
            max_pause=cls.max_pause if pause is None else max(FIRST_PAUSE, timespan(pause).total_seconds()),
            visibility_timeout=0 if visibility is None else int(timespan(visibility).total_seconds()),
            encoding=str(section.get("messageEncoding", cls.encoding)).lower(),
        )


class QueueTriggers:
    def __init__(
        self, functions: list[Function], queues: StorageQueues, settings: QueueSettings, log: Log, deliver: Deliver
    ) -> None:
        self._functions = functions
        self._queues = queues
        self._settings = settings
        self._log = log
        self._deliver = deliver
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen(function)) for function in self._functions]

    async def close(self) -> None:
        """Stop polling. Messages being worked on come back after their lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, function: Function) -> None:
        settings = function.trigger.settings
        try:
            name, connection = (
                expand(str(settings["queueName"])),
                str(settings.get("connection") or "AzureWebJobsStorage"),
            )
            queue, poison = (self._queues.queue(connection, n) for n in (name, f"{name}-poison"))
        except (ConnectionMissingError, SettingsError, ValueError) as error:
            self._log.warning(f"function {function.name} will not run from its queue: {error}")
            return
        pause, told = FIRST_PAUSE, False
        while True:
            try:
                found = await self._work(function, queue, poison)
            except Exception as error:  # noqa: BLE001 - the account may come up later
                if not told:
                    self._log.warning(f"function {function.name}: queue {name} ({connection}) cannot be read: {error}")
                told, found, pause = True, 0, UNREACHABLE_PAUSE
            else:
                told = False
                pause = FIRST_PAUSE if found else min(pause * 2, self._settings.max_pause)
            if not found:
                await asyncio.sleep(pause)

    async def _work(self, function: Function, queue: Any, poison: Any) -> int:
        """Take a batch, and run it; returns how many there were."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - with the client, lazily

        pages = queue.receive_messages(
            messages_per_page=self._settings.batch_size,
            visibility_timeout=LEASE_SECONDS,
            max_messages=self._settings.batch_size,
        )
        try:
            messages = [message async for message in pages]
        except ResourceNotFoundError:
            return 0
        await asyncio.gather(*(self._handle(function, queue, poison, message) for message in messages))
        return len(messages)

    async def _handle(self, function: Function, queue: Any, poison: Any, message: Any) -> None:
        if message.dequeue_count > self._settings.max_dequeue_count:
            # Its last run did not come to an end, perhaps because it ended the host.
            await self._give_up(function, queue, poison, message)
            return
        lease = asyncio.get_running_loop().create_task(_keep_lease(queue, message))
        try:
            await self._deliver(function, self._trigger(message))
        except Exception:  # noqa: BLE001 - logged with the run
            succeeded = False
        else:
            succeeded = True
        finally:
            lease.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await lease
        if succeeded:
            await queue.delete_message(message)
        elif message.dequeue_count >= self._settings.max_dequeue_count:
            await self._give_up(function, queue, poison, message)
        else:
            await queue.update_message(message, visibility_timeout=self._settings.visibility_timeout)

    async def _give_up(self, function: Function, queue: Any, poison: Any, message: Any) -> None:
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - with the client, lazily

        with contextlib.suppress(ResourceExistsError):
            await poison.create_queue()
        await poison.send_message(message.content)
        await queue.delete_message(message)
        self._log.problem(
            f"function {function.name} did not get through message {message.id}, which was taken "
            f"{message.dequeue_count} times: moved to {poison.queue_name}"
        )

    def _trigger(self, message: Any) -> Any:
        body = storage_queues.decoded(message.content, self._settings.encoding)
        metadata = trigger_data.queue_metadata(
            Id=message.id,
            DequeueCount=message.dequeue_count,
            ExpirationTime=_whole_seconds(message.expires_on),
            InsertionTime=_whole_seconds(message.inserted_on),
            NextVisibleTime=_whole_seconds(message.next_visible_on),
            PopReceipt=message.pop_receipt,
        )
        try:
            datum = Datum(body.decode(), "string")
        except UnicodeDecodeError:
            datum = Datum(body, "bytes")
        return get_binding_registry().get("queueTrigger").decode(datum, trigger_metadata=metadata)


def _whole_seconds(moment: Any) -> Any:
    return moment.astimezone(dt.timezone.utc).replace(microsecond=0) if isinstance(moment, dt.datetime) else moment


async def _keep_lease(queue: Any, message: Any) -> None:
    """A function may take longer than the lease."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 2)
        renewed = await queue.update_message(message, visibility_timeout=LEASE_SECONDS)
        message.pop_receipt = renewed.pop_receipt
