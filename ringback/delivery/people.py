"""The `user` entities as doors and timers see them: tell one something, or read what it knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ringback.delivery.person import UserState, load

ENTITY = "user"


class UserEntities(Protocol):
    """The durable client's two verbs for entities."""

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        """Tell; what is told in a row arrives in that order, and is done a moment later."""

    async def read(self, user: str) -> UserState | None:
        """The state after what was done so far, or None of somebody that nothing was ever told about."""


class ClientUserEntities:
    """`UserEntities` over one DurableOrchestrationClient and the SDK's EntityId; no type of the SDK's is named here."""

    def __init__(self, client: Any, entity_id: Callable[[str, str], Any]) -> None:
        self._client = client
        self._entity_id = entity_id

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        """Tell; what is told in a row arrives in that order, and is done a moment later."""
        await self._client.signal_entity(self._entity_id(ENTITY, user), operation, payload)

    async def read(self, user: str) -> UserState | None:
        """The state after what was done so far, or None of somebody that nothing was ever told about."""
        found = await self._client.read_entity_state(self._entity_id(ENTITY, user))
        if not found.entity_exists:
            return None
        stored = found.entity_state
        return load(json.loads(stored) if isinstance(stored, str) else stored)


async def tell(entities: UserEntities, user: str, operation: str, word: msgspec.Struct) -> None:
    """Signal with a struct as the input."""
    await entities.signal(user, operation, msgspec.to_builtins(word))
