"""Phone numbers and e-mail addresses of people: the entity keeps their keys, only this table their values.

A key is made of the value, so what a key stands for never changes: another number is another key.
"""

from __future__ import annotations

from azure.core.exceptions import ResourceNotFoundError

from ringback import ids
from ringback.channels.address import Address
from ringback.tables.service import ADDRESSES, Tables


def address_key(address: Address) -> str:
    """`sms-…` or `email-…`: unlike any key of a conversation, which has no dash."""
    return f"{address.kind}-{ids.digest('address', address.kind, address.value)}"


class AddressTable:
    """One row an address: PartitionKey the user key, RowKey the address's key."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, user: str, address: Address) -> str:
        """Store an address; its key."""
        table = await self._tables.get(ADDRESSES)
        key = address_key(address)
        entity = {"PartitionKey": user, "RowKey": key, "Kind": address.kind, "Value": address.value}
        await table.upsert_entity({**entity, "Name": address.name or ""})
        return key

    async def get(self, user: str, key: str) -> Address | None:
        """The address, or None."""
        table = await self._tables.get(ADDRESSES)
        try:
            entity = await table.get_entity(user, key)
        except ResourceNotFoundError:
            return None
        return Address(kind=entity["Kind"], value=entity["Value"], name=entity["Name"] or None)

    async def of(self, user: str) -> dict[str, Address]:
        """Every address of a person, by its key."""
        table = await self._tables.get(ADDRESSES)
        rows = table.query_entities("PartitionKey eq @user", parameters={"user": user})
        return {
            row["RowKey"]: Address(kind=row["Kind"], value=row["Value"], name=row["Name"] or None) async for row in rows
        }

    async def delete(self, user: str, key: str) -> None:
        """Forget one address."""
        table = await self._tables.get(ADDRESSES)
        await table.delete_entity(user, key)

    async def erase(self, user: str) -> None:
        """Forget every address of a person."""
        for key in await self.of(user):
            await self.delete(user, key)
