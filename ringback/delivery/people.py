"""The `user` entities as the doors see them: tell one something, or read what it knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from ringback.delivery.person import Erasure, UserState
from ringback.delivery.waiting import suppress_waiting
from ringback.operations.desk import DurableEngine
from ringback.tables.addresses import AddressTable
from ringback.tables.aliases import AliasTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.tables.users import UserTable


class UserEntities(Protocol):
    """The durable client's two verbs for entities."""

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        """Tell; what is told in a row arrives in that order, and is done a moment later."""

    async def read(self, user: str) -> UserState | None:
        """The state after what was done so far, or None of somebody that nothing was ever told about."""


async def tell(entities: UserEntities, user: str, operation: str, word: msgspec.Struct) -> None:
    """Signal with a struct as the input."""
    await entities.signal(user, operation, msgspec.to_builtins(word))


async def erase_user(tables: Tables, engine: DurableEngine, entities: UserEntities, user: str, now: datetime) -> None:
    """Forget a person: the mark first, so that nothing goes out while the rest is taken away; safe to repeat.

    Aliases go last: by them an erasure that was interrupted can be asked for again.
    """
    await UserTable(tables).erase(user)
    await tell(entities, user, "erase", Erasure(at=now))
    await suppress_waiting(tables, engine, user, reason="erased: this person asked to be forgotten")
    await AddressTable(tables).erase(user)
    await ReferenceTable(tables).erase(user)
    await AliasTable(tables).erase(user)
