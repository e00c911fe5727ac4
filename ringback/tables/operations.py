"""The operations tables: what each person asked for, and a short list of what has not ended.

An operation's id is `{owner}-{suffix}`; its row lies in the owner's partition, so what a person has running is one
query of one partition, and a row is found by its id alone. `openoperations` lists ids from before the row is written
until after it ended: whatever dies between two writes is found there and finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback.errors import TooLargeError
from ringback.ids import owner_of, short_id
from ringback.tables.paging import Place, page
from ringback.tables.service import OPEN_OPERATIONS, OPERATIONS, Tables

OPEN_PARTITION = "open"
# A string property holds 64 KiB of UTF-16.
MAX_TEXT = 32_000
ENDED_STATES = ("succeeded", "failed", "cancelled", "terminated")


class OperationRow(msgspec.Struct, kw_only=True):
    """One operation as the doors see it; `state` is running until the row is closed with one of ENDED_STATES."""

    id: str
    operation: str
    state: str = "running"
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    user: str | None = None
    conversation: str | None = None
    created_at: datetime
    started: bool = False
    cancel: bool = False
    waiting: dict[str, Any] | None = None
    # The channel can change what was sent; the id of the message that shows the progress.
    editable: bool = False
    message_id: str | None = None
    text: str | None = None
    ended_at: datetime | None = None
    # The task hub that runs it.
    hub: str | None = None
    # Its person was erased, and with them what it was asked and what it answered.
    erased: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the operation has not ended yet."""
        return self.state not in ENDED_STATES

    @property
    def label(self) -> str:
        """The short form of the id that a person can type."""
        return short_id(self.id)


class OperationTable:
    """Rows of operations."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @property
    def hub(self) -> str:
        """The task hub of this process."""
        return self._tables.hub

    async def insert(self, row: OperationRow) -> bool:
        """List the operation as open, then insert its row; False when that id was seen before."""
        row.hub = self.hub
        entity = _entity(row)
        if len(entity["Input"]) > MAX_TEXT:
            raise TooLargeError(f"The operation's input is over {MAX_TEXT} characters of JSON.", field="input")
        open_table = await self._tables.get(OPEN_OPERATIONS)
        table = await self._tables.get(OPERATIONS)
        await open_table.upsert_entity({"PartitionKey": OPEN_PARTITION, "RowKey": row.id, "CreatedAt": row.created_at})
        try:
            await table.create_entity(entity)
        except ResourceExistsError:
            seen = await self.get(row.id)
            if seen is not None and not seen.is_open:
                await self._unlist(row.id)
            return False
        return True

    async def get(self, identity: str) -> OperationRow | None:
        """The row with this id, or None."""
        table = await self._tables.get(OPERATIONS)
        try:
            return _row(dict(await table.get_entity(owner_of(identity), identity)))
        except ResourceNotFoundError:
            return None

    async def mark(self, identity: str, **values: Any) -> None:
        """Set single fields of a row without touching the others."""
        table = await self._tables.get(OPERATIONS)
        entity = {"PartitionKey": owner_of(identity), "RowKey": identity, **_properties(values)}
        await table.update_entity(entity, mode=UpdateMode.MERGE)

    async def end(self, identity: str, state: str, text: str, now: datetime) -> bool:
        """Close a row; False when it was closed before: the first end stands."""

        def change(row: OperationRow) -> dict[str, Any] | None:
            values = {"state": state, "text": text[:MAX_TEXT], "ended_at": now, "waiting": None}
            return values if row.is_open else None

        closed = await self._change(identity, change)
        await self._unlist(identity)
        return closed

    async def settle(self, identity: str, event: str, decision: str) -> str | None:
        """Keep the first decision on what an operation waits for, and return it; None when it waits for no such thing.

        Two people, or two clicks, get the same answer: the one that was first.
        """
        found: str | None = None

        def change(row: OperationRow) -> dict[str, Any] | None:
            nonlocal found
            waiting = row.waiting or {}
            if not row.is_open or waiting.get("event") != event:
                found = None
                return None
            found = waiting.get("decision")
            if found is not None:
                return None
            found = decision
            return {"waiting": {**waiting, "decision": decision}}

        await self._change(identity, change)
        return found

    async def _change(self, identity: str, change: Callable[[OperationRow], dict[str, Any] | None]) -> bool:
        """Merge what `change` makes of the row, if nobody else wrote it meanwhile, else look again; False for None."""
        table = await self._tables.get(OPERATIONS)
        while True:
            try:
                found = await table.get_entity(owner_of(identity), identity)
            except ResourceNotFoundError:
                return False
            values = change(_row(dict(found)))
            if values is None:
                return False
            entity = {"PartitionKey": owner_of(identity), "RowKey": identity, **_properties(values)}
            etag = found.metadata["etag"]
            try:
                await table.update_entity(
                    entity, mode=UpdateMode.MERGE, etag=etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                continue
            return True

    async def erase(self, row: OperationRow) -> None:
        """Keep nothing of a closed row but that there was one."""
        table = await self._tables.get(OPERATIONS)
        bare = OperationRow(
            id=row.id,
            operation=row.operation,
            state=row.state,
            created_at=row.created_at,
            started=row.started,
            ended_at=row.ended_at,
            hub=row.hub,
            erased=True,
        )
        await table.upsert_entity(_entity(bare), mode=UpdateMode.REPLACE)

    async def remove(self, identity: str, etag: str) -> bool:
        """Remove a row; False when somebody wrote it since."""
        table = await self._tables.get(OPERATIONS)
        condition = MatchConditions.IfNotModified
        try:
            await table.delete_entity(owner_of(identity), identity, etag=etag, match_condition=condition)
        except ResourceModifiedError:
            return False
        return True

    async def ended_page(
        self, moment: datetime, place: Place | None
    ) -> tuple[list[tuple[OperationRow, str]], Place | None]:
        """Some closed rows of operations begun before a moment, each with its etag, and the place of the following."""
        table = await self._tables.get(OPERATIONS)
        condition, names = "Open eq false and CreatedAt lt @moment", ["PartitionKey", "RowKey", *_NAMES.values()]
        rows, following = await page(table, condition, {"moment": moment}, names, place)
        return [(_row(dict(row)), str(row.metadata["etag"])) for row in rows], following

    async def of_owner(self, owner: str, *, open_only: bool) -> list[OperationRow]:
        """A person's operations, oldest first."""
        table = await self._tables.get(OPERATIONS)
        condition = "PartitionKey eq @owner" + (" and Open eq true" if open_only else "")
        rows = [_row(dict(entity)) async for entity in table.query_entities(condition, parameters={"owner": owner})]
        return sorted(rows, key=lambda row: (row.created_at, row.id))

    async def listed_open(self) -> AsyncIterator[tuple[str, datetime]]:
        """Ids, with the time of their listing, of the operations listed as open."""
        table = await self._tables.get(OPEN_OPERATIONS)
        condition = "PartitionKey eq @partition"
        async for entity in table.query_entities(condition, parameters={"partition": OPEN_PARTITION}):
            yield entity["RowKey"], _aware(entity["CreatedAt"])

    async def forget_listing(self, identity: str) -> None:
        """Take an id off the open list."""
        await self._unlist(identity)

    async def _unlist(self, identity: str) -> None:
        table = await self._tables.get(OPEN_OPERATIONS)
        await table.delete_entity(OPEN_PARTITION, identity)


_JSON_FIELDS = {"input": "Input", "waiting": "Waiting"}
_NAMES = {
    "operation": "Operation",
    "state": "State",
    "user": "User",
    "conversation": "Conversation",
    "created_at": "CreatedAt",
    "started": "Started",
    "cancel": "Cancel",
    "editable": "Editable",
    "message_id": "MessageId",
    "text": "Text",
    "ended_at": "EndedAt",
    "hub": "Hub",
    "erased": "Erased",
}


def _properties(values: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field, value in values.items():
        if field in _JSON_FIELDS:
            properties[_JSON_FIELDS[field]] = msgspec.json.encode(value).decode()
        elif value is not None:
            properties[_NAMES[field]] = value
    if "state" in values:
        properties["Open"] = values["state"] not in ENDED_STATES
    return properties


def _entity(row: OperationRow) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    identity = values.pop("id")
    return {"PartitionKey": owner_of(identity), "RowKey": identity, **_properties(values)}


def _row(entity: dict[str, Any]) -> OperationRow:
    values: dict[str, Any] = {field: entity[name] for field, name in _NAMES.items() if name in entity}
    for field, name in _JSON_FIELDS.items():
        if name in entity:
            values[field] = msgspec.json.decode(entity[name])
    for field in ("created_at", "ended_at"):
        if field in values:
            values[field] = _aware(values[field])
    return OperationRow(id=entity["RowKey"], **values)


def _aware(value: Any) -> datetime:
    """A plain aware datetime out of azure-data-tables' TablesEntityDatetime."""
    return datetime.fromtimestamp(value.timestamp(), tz=timezone.utc)
