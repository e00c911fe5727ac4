"""What was sent and reserved under each limit, one row a key, written by whoever reserves next."""

from __future__ import annotations

from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback.delivery.pace import Record
from ringback.tables.service import THROTTLE, Tables

ROW = "record"


class ThrottleTable:
    """Rows read with their etag, and written only by whom the etag proves to know the newest."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, key: str) -> tuple[Record, str | None]:
        """The record of a key with its etag; an empty one and None where there is none yet."""
        table = await self._tables.get(THROTTLE)
        try:
            entity = await table.get_entity(key, ROW)
        except ResourceNotFoundError:
            return Record(), None
        return msgspec.json.decode(entity["Record"], type=Record), str(entity.metadata["etag"])

    async def put(self, key: str, record: Record, etag: str | None) -> str | None:
        """The new etag, or None when somebody else wrote since."""
        table = await self._tables.get(THROTTLE)
        entity = {"PartitionKey": key, "RowKey": ROW, "Record": msgspec.json.encode(record).decode()}
        try:
            if etag is None:
                metadata: Any = await table.create_entity(entity)
            else:
                metadata = await table.update_entity(
                    entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                )
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            return None
        return str(metadata["etag"])
