"""The `templates` table: a row a template, its JSON split over binary properties of 64 KiB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback.tables.service import Tables

TEMPLATES = "templates"
PARTITION = "template"
BLOCK_BYTES = 64 * 1024


class TemplateRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored template; `row_etag` is the table's, which a write has to name."""

    name: str
    body: bytes
    version: int
    updated_at: datetime
    description: str = ""
    row_etag: str = ""


class TemplateTable:
    """Rows of templates."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, name: str) -> TemplateRow | None:
        """The row, or None."""
        table = await self._tables.get(TEMPLATES)
        try:
            entity = await table.get_entity(PARTITION, name)
        except ResourceNotFoundError:
            return None
        return _row(dict(entity), str(entity.metadata["etag"]))

    async def write(self, row: TemplateRow) -> bool:
        """Insert the row, or replace the one whose `row_etag` it has; False when another write came first."""
        table = await self._tables.get(TEMPLATES)
        entity = _entity(row)
        try:
            if row.row_etag:
                await table.update_entity(
                    entity,
                    mode=UpdateMode.REPLACE,
                    etag=row.row_etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            else:
                await table.create_entity(entity)
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    async def remove(self, row: TemplateRow) -> bool:
        """Delete this very state of the row; False when another write came first."""
        table = await self._tables.get(TEMPLATES)
        try:
            await table.delete_entity(
                PARTITION, row.name, etag=row.row_etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    async def listed(self) -> AsyncIterator[TemplateRow]:
        """Every row in order of name, without its body."""
        table = await self._tables.get(TEMPLATES)
        select = ["RowKey", "Version", "UpdatedAt", "Description"]
        rows = table.query_entities("PartitionKey eq @key", parameters={"key": PARTITION}, select=select)
        async for entity in rows:
            yield _row(dict(entity), "")


def _entity(row: TemplateRow) -> dict[str, Any]:
    starts = range(0, len(row.body), BLOCK_BYTES)
    blocks = {f"Body{number}": row.body[start : start + BLOCK_BYTES] for number, start in enumerate(starts)}
    return {
        "PartitionKey": PARTITION,
        "RowKey": row.name,
        "Version": row.version,
        "UpdatedAt": row.updated_at,
        "Description": row.description,
        **blocks,
    }


def _row(entity: dict[str, Any], etag: str) -> TemplateRow:
    blocks: list[bytes] = []
    while f"Body{len(blocks)}" in entity:
        blocks.append(entity[f"Body{len(blocks)}"])
    updated = datetime.fromtimestamp(entity["UpdatedAt"].timestamp(), tz=timezone.utc)
    return TemplateRow(
        name=entity["RowKey"],
        body=b"".join(blocks),
        version=int(entity["Version"]),
        updated_at=updated,
        description=entity.get("Description", ""),
        row_etag=etag,
    )
