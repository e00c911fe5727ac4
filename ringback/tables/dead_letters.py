"""Deliveries that failed, newest first, until an operator sends them again.

The key is made of what the ledger row says, so writing a dead letter twice leaves one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import msgspec

from ringback.tables.paging import Place, page
from ringback.tables.service import DEAD_LETTERS, Tables

PARTITION = "failed"
COLUMNS = ("Delivery", "User", "Code", "Category", "FailedAt", "Channel", "Detail", "Tries")
# Milliseconds counted down from here, so that the newest comes first in the order of keys; the year 2286.
END_OF_TIME = 9_999_999_999_999


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One failed delivery: whose, why, when."""

    delivery: str
    user: str
    code: str
    category: str
    failed_at: datetime
    channel: str | None = None
    detail: str | None = None
    tries: int = 0

    @property
    def key(self) -> str:
        """RowKey, and the mark behind which a next page begins."""
        return f"{_countdown(self.failed_at)}-{self.delivery}"


class DeadLetterTable:
    """Rows of dead letters."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, letter: DeadLetter) -> None:
        """Write or write again."""
        table = await self._tables.get(DEAD_LETTERS)
        entity = {
            "PartitionKey": PARTITION,
            "RowKey": letter.key,
            "Delivery": letter.delivery,
            "User": letter.user,
            "Code": letter.code,
            "Category": letter.category,
            "FailedAt": letter.failed_at,
            "Channel": letter.channel,
            "Detail": letter.detail,
            "Tries": letter.tries,
        }
        await table.upsert_entity({name: value for name, value in entity.items() if value is not None})

    async def remove(self, letter: DeadLetter) -> None:
        """Take one away; none is as good."""
        table = await self._tables.get(DEAD_LETTERS)
        await table.delete_entity(PARTITION, letter.key)

    async def of(self, user: str) -> list[DeadLetter]:
        """Every letter of one person."""
        table = await self._tables.get(DEAD_LETTERS)
        condition, parameters = "PartitionKey eq @partition and User eq @user", {"partition": PARTITION, "user": user}
        return [_letter(dict(entity)) async for entity in table.query_entities(condition, parameters=parameters)]

    async def failed_before(self, moment: datetime, place: Place | None) -> tuple[list[DeadLetter], Place | None]:
        """Some of the letters of before a moment, and the place of the following."""
        table = await self._tables.get(DEAD_LETTERS)
        condition = "PartitionKey eq @partition and RowKey gt @moment"
        parameters = {"partition": PARTITION, "moment": f"{_countdown(moment)}-~"}
        rows, following = await page(table, condition, parameters, COLUMNS, place)
        return [_letter(dict(row)) for row in rows], following

    async def page(
        self,
        *,
        code: str | None = None,
        category: str | None = None,
        since: datetime | None = None,
        after: str = "",
        size: int,
    ) -> Sequence[DeadLetter]:
        """At most `size` letters behind the key `after`, newest first."""
        table = await self._tables.get(DEAD_LETTERS)
        conditions, parameters = ["PartitionKey eq @partition"], {"partition": PARTITION}
        bounds = {"Code eq @code": code, "Category eq @category": category, "RowKey gt @after": after}
        # One that failed at `since` itself counts: a tilde sorts behind everything that may follow the time.
        bounds["RowKey lt @since"] = f"{_countdown(since)}-~" if since else None
        for condition, value in bounds.items():
            if value:
                conditions.append(condition)
                parameters[condition.rpartition("@")[2]] = value
        found: list[DeadLetter] = []
        async for entity in table.query_entities(" and ".join(conditions), parameters=parameters):
            found.append(_letter(dict(entity)))
            if len(found) == size:
                break
        return found


def _countdown(at: datetime) -> str:
    return f"{END_OF_TIME - int(at.timestamp() * 1000):013d}"


def _letter(entity: dict[str, object]) -> DeadLetter:
    failed_at = entity["FailedAt"]
    assert isinstance(failed_at, datetime)
    return DeadLetter(
        delivery=str(entity["Delivery"]),
        user=str(entity["User"]),
        code=str(entity["Code"]),
        category=str(entity["Category"]),
        failed_at=datetime.fromtimestamp(failed_at.timestamp(), tz=timezone.utc),
        channel=_text(entity.get("Channel")),
        detail=_text(entity.get("Detail")),
        tries=int(str(entity.get("Tries", 0))),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
