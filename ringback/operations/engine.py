"""The desk's three verbs over the client that azure-functions-durable binds to a function."""

from __future__ import annotations

import json
import logging
from typing import Any

from ringback.operations.desk import InstanceStatus

log = logging.getLogger(__name__)
ENDED = {"Completed", "Failed", "Terminated", "Canceled"}


class DurableClientEngine:
    """A `DurableEngine` over one DurableOrchestrationClient; no type of the SDK's is named here."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def start(self, orchestrator: str, instance_id: str, payload: Any, *, fresh: bool = False) -> None:
        """Start an instance unless there is one: a start under a finished id would replace it.

        `fresh` says that the id was made just now, and saves the question.
        """
        if not fresh and await self.status(instance_id) is not None:
            return
        try:
            await self._client.start_new(orchestrator, instance_id=instance_id, client_input=payload)
        except Exception:
            # 1.7 raises a bare Exception for every answer, 409 among them: another start came between our two calls.
            if await self.status(instance_id) is None:
                raise
            log.info("instance %s was started by somebody else", instance_id)

    async def status(self, instance_id: str) -> InstanceStatus | None:
        """The state of an instance, or None when there is none."""
        status = await self._client.get_status(instance_id)
        if not status:
            return None
        custom = status.custom_status
        if isinstance(custom, str):
            custom = _json_or_none(custom)
        runtime = getattr(status.runtime_status, "value", status.runtime_status)
        return InstanceStatus(str(runtime), custom if isinstance(custom, dict) else {}, status.output)

    async def raise_event(self, instance_id: str, name: str, data: Any) -> bool:
        """Raise an event; False when the instance is gone or has ended."""
        try:
            await self._client.raise_event(instance_id, name, data)
        except Exception as error:
            status = await self.status(instance_id)
            if status is None or status.runtime in ENDED:
                log.info("event %s for %s came too late: %s", name, instance_id, error)
                return False
            raise
        return True

    async def purge(self, instance_id: str) -> bool:
        """Forget an instance that has ended, with its history; False when it still runs."""
        status = await self.status(instance_id)
        if status is None:
            return True
        if status.runtime not in ENDED:
            return False
        await self._client.purge_instance_history(instance_id)
        return True


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
