"""The index of notifications: which delivery an id stands for, and a list of those whose start was not seen to the end.

Both lie in one partition, so one transaction writes them: from that moment on a crash leaves a listing behind, which
the recovery timer finds. PartitionKey is one of sixteen, by the id, since all callers write here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone

import msgspec
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError

from ringback import ids
from ringback.tables.service import NOTIFICATIONS, Tables

LISTED = "open-"
KNOWN = "id-"


class NotificationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the caller's, `delivery` the ledger's RowKey, `user` its PartitionKey, `body` a digest of the request."""

    id: str
    delivery: str
    user: str
    body: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that may not have been started."""

    delivery: str
    user: str
    at: datetime


class NotificationTable:
    """One entry an id that was ever used; listings come and go."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def insert(self, entry: NotificationEntry, now: datetime) -> bool:
        """Enter and list, both or neither; False when the id was used before."""
        table = await self._tables.get(NOTIFICATIONS)
        entity = {
            **_key(entry.delivery, KNOWN),
            "Id": entry.id,
            "User": entry.user,
            "Body": entry.body,
        }
        listing = _listing(entry.delivery, entry.user, now)
        try:
            await table.submit_transaction([("create", entity), ("upsert", listing)])
        except TableTransactionError as error:
            if error.status_code != 409:
                raise
            return False
        return True

    async def get(self, delivery: str) -> NotificationEntry | None:
        """The entry of a delivery id, or None."""
        table = await self._tables.get(NOTIFICATIONS)
        key = _key(delivery, KNOWN)
        try:
            found = await table.get_entity(key["PartitionKey"], key["RowKey"])
        except ResourceNotFoundError:
            return None
        return NotificationEntry(id=found["Id"], delivery=delivery, user=found["User"], body=found["Body"])

    async def list_open(self, delivery: str, user: str, now: datetime) -> None:
        """List a delivery that is about to be started."""
        table = await self._tables.get(NOTIFICATIONS)
        await table.upsert_entity(_listing(delivery, user, now))

    async def unlist(self, delivery: str) -> None:
        """Its orchestration runs, or it has ended."""
        table = await self._tables.get(NOTIFICATIONS)
        key = _key(delivery, LISTED)
        await table.delete_entity(key["PartitionKey"], key["RowKey"])

    async def listed(self) -> AsyncIterator[Listing]:
        """Every listing, in no order that matters."""
        table = await self._tables.get(NOTIFICATIONS)
        # One range of each partition; a condition on RowKey alone would read the whole table.
        for partition in PARTITIONS:
            condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
            parameters = {"partition": partition, "first": LISTED, "last": LISTED[:-1] + chr(ord(LISTED[-1]) + 1)}
            async for entity in table.query_entities(condition, parameters=parameters):
                at = datetime.fromtimestamp(entity["At"].timestamp(), tz=timezone.utc)
                yield Listing(delivery=entity["RowKey"][len(LISTED) :], user=entity["User"], at=at)


PARTITIONS = tuple("abcdefghijklmnop")


def _key(delivery: str, kind: str) -> dict[str, str]:
    number = int.from_bytes(ids.digest(delivery, length=4).encode(), "big")
    return {"PartitionKey": PARTITIONS[number % len(PARTITIONS)], "RowKey": kind + delivery}


def _listing(delivery: str, user: str, now: datetime) -> dict[str, object]:
    return {**_key(delivery, LISTED), "User": user, "At": now}
