"""Conversation references in a table: what the senders read, by opaque keys.

Where somebody was heard has the conversation's key; a conversation that the bot opened itself has the key of the
address that it was opened by, so that who asks for this address finds it, and it exists once.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from ringback import ids
from ringback.channels.address import Recipient
from ringback.channels.teams import TeamsUser
from ringback.delivery.consent import BOT
from ringback.delivery.reference import Reference
from ringback.tables.addresses import AddressTable
from ringback.tables.cache import TtlCache
from ringback.tables.service import REFERENCES, Tables

# A person who was erased, or moved to another service URL, is old news in another process for at most so long.
CACHE_SECONDS = 60.0
CACHE_SIZE = 10_000

Cache = TtlCache[tuple[str, str], Recipient]
_caches: WeakKeyDictionary[Tables, Cache] = WeakKeyDictionary()


class ReferenceTable:
    """One row a conversation: PartitionKey the user key, RowKey the conversation key, the reference as JSON."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cache = _caches.setdefault(tables, TtlCache(CACHE_SECONDS, CACHE_SIZE))

    async def put(self, reference: Reference) -> None:
        """Store or replace a reference whose service URL was checked."""
        table = await self._tables.get(REFERENCES)
        text = msgspec.json.encode(reference).decode()
        entity = {"PartitionKey": reference.user_key, "RowKey": reference.key, "Reference": text}
        await table.upsert_entity({**entity, "SeenAt": reference.seen_at})
        self._cache.put((reference.user_key, reference.key), reference)

    async def get(self, user: str, conversation: str) -> Reference | None:
        """The reference as it is now, or None when this person was never heard there."""
        table = await self._tables.get(REFERENCES)
        try:
            entity = await table.get_entity(user, conversation)
        except ResourceNotFoundError:
            return None
        return msgspec.json.decode(entity["Reference"], type=Reference)

    async def keep(self, user: str, key: str, reference: Reference) -> Reference:
        """Store the conversation that was opened for an address; the one that stands, of two that do so at once."""
        table = await self._tables.get(REFERENCES)
        text = msgspec.json.encode(reference).decode()
        entity = {"PartitionKey": user, "RowKey": key, "Reference": text, "SeenAt": reference.seen_at}
        try:
            await table.create_entity(entity)
        except ResourceExistsError:
            reference = await self.get(user, key) or reference
        self._cache.put((user, key), reference)
        return reference

    async def close(self, user: str, key: str) -> None:
        """Forget the conversation that was opened for an address; nothing when the key is of another kind."""
        if "-" not in key:
            return
        table = await self._tables.get(REFERENCES)
        await table.delete_entity(user, key)
        self._cache.drop(lambda known, _: known == (user, key))

    async def recipient(self, user: str, key: str) -> Recipient | None:
        """Where a key of the user's entity leads: a conversation or an address, at most CACHE_SECONDS old; or None."""
        # Who has no conversation may have one in a moment.
        return await self._cache.read(
            (user, key), lambda: self._recipient(user, key), keeps=lambda found: not isinstance(found, TeamsUser)
        )

    async def _recipient(self, user: str, key: str) -> Recipient | None:
        kind, dash, _ = key.partition("-")
        opened = await self.get(user, key) if not dash or kind == BOT else None
        return opened or (await AddressTable(self._tables).get(user, key) if dash else None)

    async def latest(self, user: str) -> Reference | None:
        """Where this person was heard last, or None."""
        return max(await self.of(user), key=lambda reference: reference.seen_at, default=None)

    async def of(self, user: str) -> list[Reference]:
        """Every conversation in which a person was heard."""
        table = await self._tables.get(REFERENCES)
        rows = table.query_entities("PartitionKey eq @user", parameters={"user": user})
        heard = [entity["Reference"] async for entity in rows if "-" not in entity["RowKey"]]
        return [msgspec.json.decode(text, type=Reference) for text in heard]

    async def erase(self, user: str) -> None:
        """Forget every conversation of a person, and what this process remembers of their addresses."""
        table = await self._tables.get(REFERENCES)
        rows = table.query_entities(
            "PartitionKey eq @user", parameters={"user": user}, select=["PartitionKey", "RowKey"]
        )
        async for entity in rows:
            await table.delete_entity(user, entity["RowKey"])
        self._cache.drop(lambda key, _: key[0] == user)

    async def first_greeting(self, channel_id: str, conversation_id: str) -> bool:
        """True once for each conversation."""
        table = await self._tables.get(REFERENCES)
        key = ids.digest("greeting", channel_id, conversation_id)
        try:
            await table.create_entity({"PartitionKey": key, "RowKey": "greeted"})
        except ResourceExistsError:
            return False
        return True


def cache_metrics() -> dict[str, Any]:
    """How the senders' look-ups were answered since this process began: hits, misses, hitRate (0 to 1), size."""
    caches = list(_caches.values())
    hits, misses = sum(cache.hits for cache in caches), sum(cache.misses for cache in caches)
    rate = hits / (hits + misses) if hits + misses else 0.0
    return {"hits": hits, "misses": misses, "hitRate": round(rate, 4), "size": sum(len(cache) for cache in caches)}
