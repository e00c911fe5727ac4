"""What must be finished for a person whatever dies: listed before it begins, taken off when it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

from ringback.tables.service import ERRANDS, Tables

# Waking what waits for a person; erasing what was written to them; forgetting addresses that are not used any more.
WAKE, ERASE, TIDY = "wake", "erase", "tidy"
KINDS = (WAKE, ERASE, TIDY)


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work for one person, begun at `at`; whoever asks for it again meanwhile replaces it."""

    kind: str
    user: str
    at: datetime
    etag: str
    # Its first part, which must not be done again once the person may have come back.
    begun: bool = False


class ErrandTable:
    """PartitionKey the kind, RowKey the user key."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, kind: str, user: str, at: datetime) -> Errand:
        """List it; of two, the later time counts."""
        table = await self._tables.get(ERRANDS)
        with suppress(ResourceNotFoundError):
            at = max(at, _aware((await table.get_entity(kind, user))["At"]))
        metadata = await table.upsert_entity(
            {"PartitionKey": kind, "RowKey": user, "At": at, "Begun": False, "Hub": self._tables.hub}
        )
        return Errand(kind=kind, user=user, at=at, etag=metadata["etag"])

    async def begun(self, errand: Errand) -> Errand:
        """Note that its first part is done, unless it was asked for again since."""
        table = await self._tables.get(ERRANDS)
        entity = {"PartitionKey": errand.kind, "RowKey": errand.user, "Begun": True}
        condition = MatchConditions.IfNotModified
        try:
            metadata = await table.update_entity(entity, etag=errand.etag, match_condition=condition)
        except ResourceModifiedError:
            return errand
        return msgspec.structs.replace(errand, begun=True, etag=metadata["etag"])

    async def done(self, errand: Errand) -> None:
        """Take it off the list, unless it was asked for again since."""
        table = await self._tables.get(ERRANDS)
        condition = MatchConditions.IfNotModified
        try:
            await table.delete_entity(errand.kind, errand.user, etag=errand.etag, match_condition=condition)
        except ResourceModifiedError:
            return

    async def listed(self, *, of_others: bool = False) -> AsyncIterator[Errand]:
        """Every errand of this task hub; or the erasures of the others, whose waits and addresses are out of sight."""
        table = await self._tables.get(ERRANDS)
        for kind in (ERASE,) if of_others else KINDS:
            async for entity in table.query_entities("PartitionKey eq @kind", parameters={"kind": kind}):
                if (entity.get("Hub", self._tables.hub) != self._tables.hub) != of_others:
                    continue
                etag = str(entity.metadata["etag"])
                at, begun = _aware(entity["At"]), bool(entity.get("Begun"))
                yield Errand(kind=kind, user=entity["RowKey"], at=at, etag=etag, begun=begun)


def _aware(value: Any) -> datetime:
    """A plain aware datetime out of azure-data-tables' TablesEntityDatetime."""
    return datetime.fromtimestamp(value.timestamp(), tz=timezone.utc)
