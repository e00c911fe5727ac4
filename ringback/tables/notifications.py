"""The index of notifications: which delivery an id stands for, and a list of those that have not ended.

Once both are written there is a listing by which the recovery timer finds the delivery, whatever becomes of its
orchestration. PartitionKey is one of sixteen, by the id, since all callers write here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables.aio import TableClient

from ringback import ids
from ringback.tables.paging import Place, page
from ringback.tables.service import NOTIFICATIONS, Tables

LISTED = "open-"
BEHIND = LISTED[:-1] + chr(ord(LISTED[-1]) + 1)
KNOWN = "id-"
AFTER_KNOWN = KNOWN[:-1] + chr(ord(KNOWN[-1]) + 1)


class NotificationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the caller's, `delivery` the ledger's RowKey, `user` its PartitionKey, `body` a digest of the request.

    `at` is when it was entered, where that was noted.
    """

    id: str
    delivery: str
    user: str
    body: str
    at: datetime | None = None
    etag: str | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in its round `round` that has not been seen to end; `at` is when it is to be looked at."""

    delivery: str
    user: str
    at: datetime
    round: int = 0


class NotificationTable:
    """One entry an id, from its use until its delivery is removed for its age; listings come and go."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def insert(self, entry: NotificationEntry, now: datetime) -> bool:
        """Enter and list; False when the id was used before.

        Two writes at once take the SDK half of the time of a transaction. What is left of them by a crash was promised
        to nobody: an entry alone is begun anew by the same request, a listing alone is taken off for its age.
        """
        table = await self._tables.get(NOTIFICATIONS)
        listing = _listing(Listing(delivery=entry.delivery, user=entry.user, at=now))
        entered, listed = await asyncio.gather(_create(table, _entity(entry, now)), _create(table, listing))
        if entered and not listed:
            # A listing that another request left may name another person.
            await table.upsert_entity(listing)
        if listed and not entered:
            # Not under way: it has ended, or is about to be listed anew.
            with suppress(ResourceModifiedError):
                await table.delete_entity(
                    listing["PartitionKey"],
                    listing["RowKey"],
                    etag=listed,
                    match_condition=MatchConditions.IfNotModified,
                )
        return entered is not None

    async def get(self, delivery: str) -> NotificationEntry | None:
        """The entry of a delivery id, or None."""
        table = await self._tables.get(NOTIFICATIONS)
        key = _key(delivery, KNOWN)
        try:
            found = await table.get_entity(key["PartitionKey"], key["RowKey"])
        except ResourceNotFoundError:
            return None
        return _read_entry(found)

    async def renew(self, entry: NotificationEntry, now: datetime) -> None:
        """Enter and list it once more: the delivery that it stands for was never begun."""
        table = await self._tables.get(NOTIFICATIONS)
        listing = _listing(Listing(delivery=entry.delivery, user=entry.user, at=now))
        await table.submit_transaction([("upsert", _entity(entry, now)), ("upsert", listing)])

    async def forget(self, entry: NotificationEntry) -> bool:
        """Remove an entry, whose id may then be used again; False when it was entered anew since it was read."""
        table = await self._tables.get(NOTIFICATIONS)
        key, condition = _key(entry.delivery, KNOWN), MatchConditions.IfNotModified
        try:
            await table.delete_entity(key["PartitionKey"], key["RowKey"], etag=entry.etag, match_condition=condition)
        except ResourceModifiedError:
            return False
        return True

    async def entered_before(
        self, moment: datetime, place: Place | None
    ) -> tuple[list[NotificationEntry], Place | None]:
        """A page of the entries of before a moment, and the place of the next."""
        table = await self._tables.get(NOTIFICATIONS)
        names = ["PartitionKey", "RowKey", "Id", "User", "Body", "At"]
        condition = "RowKey ge @first and RowKey lt @last and At lt @moment"
        parameters = {"first": KNOWN, "last": AFTER_KNOWN, "moment": moment}
        rows, following = await page(table, condition, parameters, names, place)
        return [_read_entry(row) for row in rows], following

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


async def _create(table: TableClient, entity: dict[str, Any]) -> str | None:
    """The etag of the new entity, or None where there is one."""
    try:
        return str((await table.create_entity(entity))["etag"])
    except ResourceExistsError:
        return None


PARTITIONS = tuple("abcdefghijklmnop")


def _key(delivery: str, kind: str) -> dict[str, str]:
    number = int.from_bytes(ids.digest(delivery, length=4).encode(), "big")
    return {"PartitionKey": PARTITIONS[number % len(PARTITIONS)], "RowKey": kind + delivery}


def _entity(entry: NotificationEntry, now: datetime) -> dict[str, Any]:
    said = {"Id": entry.id, "User": entry.user, "Body": entry.body, "At": now}
    return {**_key(entry.delivery, KNOWN), **said}


def _read_entry(found: Any) -> NotificationEntry:
    at = found.get("At")
    return NotificationEntry(
        id=found["Id"],
        delivery=found["RowKey"][len(KNOWN) :],
        user=found["User"],
        body=found["Body"],
        at=None if at is None else datetime.fromtimestamp(at.timestamp(), tz=timezone.utc),
        etag=found.metadata["etag"],
    )


def _listed_key(delivery: str, number: int) -> dict[str, str]:
    """A round has a listing of its own, so that the end of one takes no later one's away."""
    key = _key(delivery, LISTED)
    return {**key, "RowKey": f"{key['RowKey']}!r{number}"} if number else key


def _listing(listing: Listing) -> dict[str, Any]:
    key = _listed_key(listing.delivery, listing.round)
    return {**key, "User": listing.user, "At": listing.at}


def _read_listing(entity: dict[str, Any]) -> Listing:
    at = datetime.fromtimestamp(entity["At"].timestamp(), tz=timezone.utc)
    delivery, _, number = entity["RowKey"][len(LISTED) :].partition("!r")
    return Listing(delivery=delivery, user=entity["User"], at=at, round=int(number or 0))
