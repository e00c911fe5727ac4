"""Addresses of people: the entity keeps their keys, only this table their values.

That is phone numbers, e-mail addresses, and who somebody is on Teams before they have a conversation with the bot. A
key is made of the value, so what a key stands for never changes: another number is another key.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

from ringback import ids
from ringback.channels.address import Address
from ringback.channels.teams import TeamsUser
from ringback.tables.service import ADDRESSES, Tables

Stored = Address | TeamsUser
# In place of a task hub, of which it is no name.
SEVERAL = "*"


def address_key(address: Stored) -> str:
    """`sms-…`, `email-…` or `bot-…`: unlike any key of a conversation, which has no dash."""
    return f"{address.kind}-{ids.digest('address', address.kind, _value(address))}"


class AddressTable:
    """One row an address: PartitionKey the user key, RowKey the address's key, Hub the task hub that uses it.

    What several use stays until the person is erased: none of them knows whether the others still need it.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, user: str, address: Stored) -> str:
        """Store an address; its key."""
        table, key, hub = await self._tables.get(ADDRESSES), address_key(address), self._tables.hub
        with suppress(ResourceNotFoundError):
            hub = hub if self._is_own(await table.get_entity(user, key)) else SEVERAL
        entity = {"PartitionKey": user, "RowKey": key, "Kind": address.kind, "Value": _value(address)}
        await table.upsert_entity({**entity, "Name": address.name or "", "Hub": hub})
        return key

    def _is_own(self, row: Any) -> bool:
        return bool(row.get("Hub", self._tables.hub) == self._tables.hub)

    async def get(self, user: str, key: str) -> Stored | None:
        """The address, or None."""
        table = await self._tables.get(ADDRESSES)
        try:
            entity = await table.get_entity(user, key)
        except ResourceNotFoundError:
            return None
        return _stored(entity)

    async def of(self, user: str) -> dict[str, Stored]:
        """Every address of a person, by its key."""
        table = await self._tables.get(ADDRESSES)
        rows = table.query_entities("PartitionKey eq @user", parameters={"user": user})
        return {row["RowKey"]: _stored(row) async for row in rows}

    async def delete(self, user: str, key: str) -> None:
        """Forget one address."""
        table = await self._tables.get(ADDRESSES)
        await table.delete_entity(user, key)

    async def tidy(self, user: str, used: Collection[str], before: datetime) -> bool:
        """Forget what is not in use and was written before then; False while something younger is not in use.

        `used` is what this task hub uses, so what belongs to others stays.
        """
        table, clean = await self._tables.get(ADDRESSES), True
        async for row in table.query_entities("PartitionKey eq @user", parameters={"user": user}):
            if row["RowKey"] in used or not self._is_own(row):
                continue
            written = row.metadata["timestamp"]
            if written is None or written >= before:
                clean = False
                continue
            etag, condition = str(row.metadata["etag"]), MatchConditions.IfNotModified
            try:
                await table.delete_entity(user, row["RowKey"], etag=etag, match_condition=condition)
            except ResourceModifiedError:
                # Registered anew in this moment.
                clean = False
        return clean

    async def erase(self, user: str) -> None:
        """Forget every address of a person."""
        for key in await self.of(user):
            await self.delete(user, key)


def _value(address: Stored) -> str:
    """Of who somebody is on Teams, all but the name: JSON."""
    if isinstance(address, Address):
        return address.value
    return msgspec.json.encode(msgspec.structs.replace(address, name=None)).decode()


def _stored(row: Any) -> Stored:
    name = row["Name"] or None
    if row["Kind"] == "bot":
        return msgspec.structs.replace(msgspec.json.decode(row["Value"], type=TeamsUser), name=name)
    return Address(kind=row["Kind"], value=row["Value"], name=name)
