"""The `user` entities as the doors see them: tell one something, or read what it knows."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from ringback.delivery.person import UserState


class UserEntities(Protocol):
    """The durable client's two verbs for entities."""

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        """Tell; what is told in a row arrives in that order, and is done a moment later."""

    async def read(self, user: str) -> UserState | None:
        """The state after what was done so far, or None of somebody that nothing was ever told about."""


async def tell(entities: UserEntities, user: str, operation: str, word: msgspec.Struct) -> None:
    """Signal with a struct as the input."""
    await entities.signal(user, operation, msgspec.to_builtins(word))
