"""The list of people: one row each, for listing and for campaigns; what may be sent to them, their entity decides."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from typing import Any

import msgspec
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback.errors import RequestError
from ringback.tables.service import USERS, Tables

MAX_PAGE = 1000
BAD_REQUEST = 400


class UserRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One person; channel, tenant and locale as they were last heard, None for who never wrote.

    `seen_at` is right to the minute. Of who was erased nothing is left but `erased`.
    """

    id: str
    created_at: datetime | None = None
    seen_at: datetime | None = None
    channel_id: str | None = None
    tenant_id: str | None = None
    locale: str | None = None
    erased: bool = False


class UserTable:
    """PartitionKey is the key's first two characters: 1024 partitions take the writes of every message."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, user: str, now: datetime) -> None:
        """Enter somebody who has not written yet; nothing when they are listed."""
        table = await self._tables.get(USERS)
        try:
            await table.create_entity({**_keys(user), "CreatedAt": now, "Erased": False})
        except ResourceExistsError:
            return

    async def seen(self, row: UserRow) -> None:
        """Enter or bring up to date somebody who was heard; who was erased begins anew."""
        values = {"SeenAt": row.seen_at, "ChannelId": row.channel_id, "TenantId": row.tenant_id, "Locale": row.locale}
        entity: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
        known = await self.get(row.id)
        if known is None or known.erased:
            entity["CreatedAt"] = row.seen_at
        table = await self._tables.get(USERS)
        await table.upsert_entity({**_keys(row.id), **entity, "Erased": False}, mode=UpdateMode.MERGE)

    async def get(self, user: str) -> UserRow | None:
        """The row, also of who was erased, or None."""
        table = await self._tables.get(USERS)
        try:
            return _row(dict(await table.get_entity(user[:2], user)))
        except ResourceNotFoundError:
            return None

    async def page(self, top: int, continuation: str | None) -> tuple[list[UserRow], str | None]:
        """Up to `top` people and where the next page begins, None after the last; raises RequestError."""
        table = await self._tables.get(USERS)
        pages = table.query_entities("Erased eq false", results_per_page=top).by_page(_decode(continuation))
        # The service may answer with an empty page and a continuation.
        try:
            async for entities in pages:
                rows = [_row(dict(entity)) async for entity in entities]
                if rows:
                    return rows, _encode(pages.continuation_token)  # type: ignore[attr-defined]
        except HttpResponseError as error:
            if continuation and error.status_code == BAD_REQUEST:
                raise _foreign() from None
            raise
        return [], None

    async def erase(self, user: str) -> None:
        """Keep nothing of the row but that somebody was erased."""
        table = await self._tables.get(USERS)
        await table.upsert_entity({**_keys(user), "Erased": True}, mode=UpdateMode.REPLACE)


def _keys(user: str) -> dict[str, Any]:
    return {"PartitionKey": user[:2], "RowKey": user}


def _row(entity: dict[str, Any]) -> UserRow:
    return UserRow(
        id=entity["RowKey"],
        created_at=_aware(entity.get("CreatedAt")),
        seen_at=_aware(entity.get("SeenAt")),
        channel_id=entity.get("ChannelId"),
        tenant_id=entity.get("TenantId"),
        locale=entity.get("Locale"),
        erased=bool(entity.get("Erased")),
    )


def _aware(value: Any) -> datetime | None:
    """A plain aware datetime out of azure-data-tables' TablesEntityDatetime."""
    return None if value is None else datetime.fromtimestamp(value.timestamp(), tz=timezone.utc)


def _encode(token: Any) -> str | None:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode() if token else None


def _decode(text: str | None) -> Any:
    if not text:
        return None
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text), type=dict[str, str | None])
    except (ValueError, msgspec.DecodeError):
        token = {}
    if not token.get("PartitionKey"):
        raise _foreign()
    return token


def _foreign() -> RequestError:
    return RequestError("This continuation was not given out here: begin without one.", field="continuation")
