"""The `user` entities over the client that azure-functions-durable binds to a function."""

from __future__ import annotations

import json
from typing import Any

import azure.durable_functions as df

from ringback.delivery.person import UserState, load

ENTITY = "user"


class DurableUserEntities:
    """`UserEntities` over one DurableOrchestrationClient."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        """Tell; what is told in a row arrives in that order, and is done a moment later."""
        await self._client.signal_entity(df.EntityId(ENTITY, user), operation, payload)

    async def read(self, user: str) -> UserState | None:
        """The state after what was done so far, or None of somebody that nothing was ever told about."""
        found = await self._client.read_entity_state(df.EntityId(ENTITY, user))
        if not found.entity_exists:
            return None
        stored = found.entity_state
        return load(json.loads(stored) if isinstance(stored, str) else stored)
