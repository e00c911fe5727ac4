"""Presses of buttons, each counted once, in one table whose partitions hold all that one press changes:

    press-{delivery}-{press}     was counted
    delivery-{delivery}          how often each of its buttons was pressed, and when first and last
    count-{day}-{digest}         the same over all deliveries of a day, category and template

One transaction writes all three, so a process that dies has counted a press or not, and who sends it again finds out.
Counting with the press, rather than when asked, makes the sums of a year cost a read per shard and month instead of a
scan of every press. PartitionKey is the month and the day the day (UTC) in which the *delivery* was taken in: both are
known from its row, so a press that is posted again after midnight meets the same partition.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import date, datetime, timezone
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode

from ringback import ids
from ringback.errors import RetryableError
from ringback.tables.service import ENGAGEMENT, Tables

# Presses on the deliveries of one shard take turns, so this bounds how many are counted at a time.
SHARDS = 16
# Whoever loses a turn lost it to one that was counted.
WRITES = 60
LONGEST_PAUSE = 0.2
# The names come from cards, and a person's client could make up more: those beyond are counted as one.
MOST_ACTIONS, OTHER = 32, "other"
OPENING = datetime(1970, 1, 1, tzinfo=timezone.utc)
CONFLICTS = (409, 412)
DIGEST = 32


class Presses(msgspec.Struct):
    """How often one button of one delivery was pressed."""

    presses: int
    first: datetime
    last: datetime


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Presses of one name on the deliveries of one day: `deliveries` of them were pressed at least once."""

    day: str
    category: str
    template: str
    action: str
    presses: int
    deliveries: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a press is counted under; `created_at` is when its delivery was taken in."""

    delivery: str
    press: str
    action: str
    category: str
    template: str
    created_at: datetime | None
    at: datetime


class EngagementTable:
    """Counts presses, and tells the counts."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def record(self, press: Counted) -> bool:
        """Count a press; False when it was counted before. RetryableError when others keep counting beside it."""
        table = await self._tables.get(ENGAGEMENT)
        partition = _partition(press.delivery, press.created_at)
        mark = _press_row(partition, press)
        for turn in range(WRITES):
            found = await self._get(partition, _delivery_key(press.delivery))
            actions = _actions(found)
            action = press.action if press.action in actions or len(actions) < MOST_ACTIONS else OTHER
            counter = _counter_row(partition, msgspec.structs.replace(press, action=action))
            known = await self._get(partition, counter["RowKey"])
            _add(counter, known, is_first=action not in actions)
            _press(actions, action, press.at)
            entity = {"PartitionKey": partition, "RowKey": _delivery_key(press.delivery)}
            summary = {**entity, "Actions": msgspec.json.encode(actions).decode()}
            try:
                await table.submit_transaction([("create", mark), _write(summary, found), _write(counter, known)])
            except TableTransactionError as error:
                if error.status_code not in CONFLICTS:
                    raise
                if await self._get(partition, mark["RowKey"]) is not None:
                    return False
                await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.01 * (turn + 1))))  # noqa: S311  no secret
            else:
                return True
        raise RetryableError("Too many presses at this moment. Try again.")

    async def of(self, delivery: str, created_at: datetime | None) -> dict[str, Presses]:
        """The presses on one delivery, by the button's name."""
        return _actions(await self._get(_partition(delivery, created_at), _delivery_key(delivery)))

    async def erase(self, delivery: str, created_at: datetime | None) -> None:
        """Forget who pressed what and when on one delivery; sums over many, which name nobody, stay."""
        table = await self._tables.get(ENGAGEMENT)
        partition, prefix = _partition(delivery, created_at), _press_prefix(delivery)
        parameters = {"partition": partition, "first": prefix, "last": f"{prefix}~"}
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
        found = table.query_entities(condition, parameters=parameters, select=["RowKey"])
        # What is longer belongs to a delivery whose id begins with this one's.
        keys = [row["RowKey"] async for row in found if len(row["RowKey"]) == len(prefix) + DIGEST]
        for key in (*keys, _delivery_key(delivery)):
            await table.delete_entity(partition, key)

    async def counts(self, first: date, last: date) -> AsyncIterator[Count]:
        """The counts of the deliveries of these days, both included, in no order that matters."""
        table = await self._tables.get(ENGAGEMENT)
        lowest, highest = f"count-{first:%Y%m%d}", f"count-{last:%Y%m%d}~"
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"

        async def shard(partition: str) -> list[Count]:
            parameters = {"partition": partition, "first": lowest, "last": highest}
            return [_count(dict(row)) async for row in table.query_entities(condition, parameters=parameters)]

        for month in _months(first, last):
            for counts in await asyncio.gather(*(shard(f"{month}-{number:02}") for number in range(SHARDS))):
                for count in counts:
                    yield count

    async def _get(self, partition: str, row: str) -> Any:
        table = await self._tables.get(ENGAGEMENT)
        try:
            return await table.get_entity(partition, row)
        except ResourceNotFoundError:
            return None


def _partition(delivery: str, created_at: datetime | None) -> str:
    number = int.from_bytes(ids.digest("engagement", delivery, length=4).encode(), "big")
    return f"{_day(created_at):%Y%m}-{number % SHARDS:02}"


def _day(created_at: datetime | None) -> date:
    return (created_at or OPENING).astimezone(timezone.utc).date()


def _months(first: date, last: date) -> list[str]:
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12:04}{number % 12 + 1:02}" for number in numbers]


def _delivery_key(delivery: str) -> str:
    return f"delivery-{delivery}"


def _press_prefix(delivery: str) -> str:
    return f"press-{delivery}-"


def _press_row(partition: str, press: Counted) -> dict[str, Any]:
    key = _press_prefix(press.delivery) + ids.digest("press", press.press, length=DIGEST)
    return {"PartitionKey": partition, "RowKey": key, "Action": press.action, "At": press.at}


def _counter_row(partition: str, press: Counted) -> dict[str, Any]:
    digest = ids.digest(press.category, press.template, press.action, length=20)
    return {
        "PartitionKey": partition,
        "RowKey": f"count-{_day(press.created_at):%Y%m%d}-{digest}",
        "Category": press.category,
        "Template": press.template,
        "Action": press.action,
    }


def _add(counter: dict[str, Any], known: Any, *, is_first: bool) -> None:
    counter["Presses"] = (known["Presses"] if known is not None else 0) + 1
    counter["Deliveries"] = (known["Deliveries"] if known is not None else 0) + is_first


def _press(actions: dict[str, Presses], action: str, at: datetime) -> None:
    found = actions.setdefault(action, Presses(0, at, at))
    # Two hosts' clocks differ: what is counted later may have been pressed before.
    found.presses, found.first, found.last = found.presses + 1, min(found.first, at), max(found.last, at)


def _actions(entity: Any) -> dict[str, Presses]:
    return {} if entity is None else msgspec.json.decode(entity["Actions"], type=dict[str, Presses])


def _write(entity: dict[str, Any], known: Any) -> Any:
    if known is None:
        return "create", entity
    match = {"etag": known.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
    return "update", entity, {"mode": UpdateMode.REPLACE, **match}


def _count(entity: dict[str, Any]) -> Count:
    return Count(
        day=entity["RowKey"].split("-")[1],
        category=entity["Category"],
        template=entity["Template"],
        action=entity["Action"],
        presses=entity["Presses"],
        deliveries=entity["Deliveries"],
    )
