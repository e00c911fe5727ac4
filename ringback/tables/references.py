"""Conversation references in a table: what the senders read, by opaque keys."""

from __future__ import annotations

import msgspec
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from ringback import ids
from ringback.delivery.reference import Reference
from ringback.tables.service import REFERENCES, Tables


class ReferenceTable:
    """One row a conversation: PartitionKey the user key, RowKey the conversation key, the reference as JSON."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, reference: Reference) -> None:
        """Store or replace a reference whose service URL was checked."""
        table = await self._tables.get(REFERENCES)
        text = msgspec.json.encode(reference).decode()
        entity = {"PartitionKey": reference.user_key, "RowKey": reference.key, "Reference": text}
        await table.upsert_entity({**entity, "SeenAt": reference.seen_at})

    async def get(self, user: str, conversation: str) -> Reference | None:
        """The reference, or None when this person was never heard there."""
        table = await self._tables.get(REFERENCES)
        try:
            entity = await table.get_entity(user, conversation)
        except ResourceNotFoundError:
            return None
        return msgspec.json.decode(entity["Reference"], type=Reference)

    async def latest(self, user: str) -> Reference | None:
        """Where this person was heard last, or None."""
        table = await self._tables.get(REFERENCES)
        rows = table.query_entities("PartitionKey eq @user", parameters={"user": user})
        found = [msgspec.json.decode(entity["Reference"], type=Reference) async for entity in rows]
        return max(found, key=lambda reference: reference.seen_at, default=None)

    async def first_greeting(self, channel_id: str, conversation_id: str) -> bool:
        """True once for each conversation."""
        table = await self._tables.get(REFERENCES)
        key = ids.digest("greeting", channel_id, conversation_id)
        try:
            await table.create_entity({"PartitionKey": key, "RowKey": "greeted"})
        except ResourceExistsError:
            return False
        return True
