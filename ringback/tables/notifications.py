"""The index of notifications: which delivery an id stands for, and a list of those that have not ended.

Both lie in one partition, so one transaction writes them: from that moment on, whatever becomes of the delivery's
orchestration, there is a listing by which the recovery timer finds it. PartitionKey is one of sixteen, by the id,
since all callers write here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError

from ringback import ids
from ringback.tables.service import NOTIFICATIONS, Tables

LISTED = "open-"
BEHIND = LISTED[:-1] + chr(ord(LISTED[-1]) + 1)
KNOWN = "id-"


class NotificationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the caller's, `delivery` the ledger's RowKey, `user` its PartitionKey, `body` a digest of the request."""

    id: str
    delivery: str
    user: str
    body: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in its round `round` that has not been seen to end; `at` is when it is to be looked at."""

    delivery: str
    user: str
    at: datetime
    round: int = 0


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
        listing = _listing(Listing(delivery=entry.delivery, user=entry.user, at=now))
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

    async def list_open(self, listing: Listing) -> None:
        """List a delivery that is about to be started, or that is to be looked at some other time."""
        table = await self._tables.get(NOTIFICATIONS)
        await table.upsert_entity(_listing(listing))

    async def unlist(self, delivery: str, number: int) -> None:
        """Its round `number` has ended."""
        table = await self._tables.get(NOTIFICATIONS)
        key = _listed_key(delivery, number)
        await table.delete_entity(key["PartitionKey"], key["RowKey"])

    async def listed(self, due: datetime | None = None) -> AsyncIterator[Listing]:
        """Every listing that is to be looked at by then, in no order that matters."""
        table = await self._tables.get(NOTIFICATIONS)
        # One range of each partition; a condition on RowKey alone would read the whole table.
        for partition in PARTITIONS:
            condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
            parameters: dict[str, Any] = {"partition": partition, "first": LISTED, "last": BEHIND}
            if due is not None:
                condition, parameters = f"{condition} and At le @due", {**parameters, "due": due}
            async for entity in table.query_entities(condition, parameters=parameters):
                yield _read_listing(dict(entity))


PARTITIONS = tuple("abcdefghijklmnop")


def _key(delivery: str, kind: str) -> dict[str, str]:
    number = int.from_bytes(ids.digest(delivery, length=4).encode(), "big")
    return {"PartitionKey": PARTITIONS[number % len(PARTITIONS)], "RowKey": kind + delivery}


def _listed_key(delivery: str, number: int) -> dict[str, str]:
    """A round has a listing of its own, so that the end of one takes no later one's away."""
    key = _key(delivery, LISTED)
    return {**key, "RowKey": f"{key['RowKey']}!r{number}"} if number else key


def _listing(listing: Listing) -> dict[str, object]:
    key = _listed_key(listing.delivery, listing.round)
    return {**key, "User": listing.user, "At": listing.at}


def _read_listing(entity: dict[str, Any]) -> Listing:
    at = datetime.fromtimestamp(entity["At"].timestamp(), tz=timezone.utc)
    delivery, _, number = entity["RowKey"][len(LISTED) :].partition("!r")
    return Listing(delivery=delivery, user=entity["User"], at=at, round=int(number or 0))
