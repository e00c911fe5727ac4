"""Messages that wait for a person: taken back when that person opts out, woken when they change what they wish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from ringback.delivery.consent import EVERY, OPERATIONS
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import SENDING, LedgerRow
from ringback.delivery.notification import CANCEL_EVENT, WAKE_EVENT, instance_of
from ringback.delivery.people import UserEntities, tell
from ringback.delivery.preferences import Wish
from ringback.errors import RetryableError
from ringback.operations.desk import DurableEngine
from ringback.tables.errands import WAKE, Errand, ErrandTable
from ringback.tables.service import LEDGER, Tables

log = logging.getLogger(__name__)
WAITING_STATES = ("pending", "waiting")
WRITES = 5
# A turn of the bot has seconds: what more there is to wake, the recovery timer does.
WOKEN_AT_A_TURN = 500
AT_ONCE = 8
QUIET, RATE = "quiet-hours", "rate"

Change = tuple[str, msgspec.Struct]
Done = TypeVar("Done")


async def tell_and_wake(
    tables: Tables, engine: DurableEngine, entities: UserEntities, user: str, changes: Sequence[Change]
) -> None:
    """Tell a person's entity what changed, and let what waits for what it was before ask the gate again.

    `changes` are operations of the entity with their inputs. The errand comes first: whatever dies after that, the
    recovery timer wakes them.
    """
    reasons = _reasons(changes)
    errand = await ErrandTable(tables).add(WAKE, user, datetime.now(timezone.utc)) if reasons else None
    for operation, word in changes:
        await tell(entities, user, operation, word)
    if errand is not None:
        await run_wake(tables, engine, errand, reasons, WOKEN_AT_A_TURN)


async def run_wake(
    tables: Tables,
    engine: DurableEngine,
    errand: Errand,
    reasons: Collection[str] = (QUIET, RATE),
    most: int | None = None,
) -> None:
    """Wake what waits for one of these reasons; what was about to wait hears of it too, and asks once in vain.

    With more than `most` of them the errand stays on the list.
    """
    rows = await _open(tables, errand.user, WAITING_STATES)
    wanted = [row for row in rows if row["State"] == "pending" or row.get("Code") in reasons]

    async def wake(row: dict[str, Any]) -> None:
        await engine.raise_event(instance_of(row["RowKey"], row.get("Round") or 0), WAKE_EVENT, {})

    await _a_few_at_a_time(wake(row) for row in wanted[:most])
    if len(wanted[:most]) == len(wanted):
        await ErrandTable(tables).done(errand)


def _reasons(changes: Sequence[Change]) -> set[str]:
    """What a change may cut short. A place in the queue of a rate is kept while the rate is."""
    found: set[str] = set()
    for operation, word in changes:
        if operation in {"prefer", "opt_in", "consent", "register"}:
            found.add(QUIET)
        if isinstance(word, Wish) and word.rates is not msgspec.UNSET:
            found.add(RATE)
    return found


async def suppress_waiting(
    tables: Tables, engine: DurableEngine, user: str, category: str = EVERY, reason: str | None = None
) -> int:
    """End what waits for this person; how many that were.

    `category` narrows it; every one leaves out the answers to the person's own questions, unless a `reason` is given.
    Tell the entity first: what passes the gate after this has looked is stopped there. The row is written first, which
    every claim heeds, then the event wakes the orchestration. A try in progress is left alone, and the event forestalls
    the next one.
    """
    ledger = Ledger(tables)

    async def end(waiting: dict[str, Any]) -> bool:
        about = waiting.get("Category") or ""
        if (category == EVERY and about == OPERATIONS and reason is None) or category not in {EVERY, about}:
            return False
        why, instance = reason or f"opted-out: {about}", instance_of(waiting["RowKey"], waiting.get("Round") or 0)
        row = await suppress(ledger, user, waiting["RowKey"], why)
        await engine.raise_event(instance, CANCEL_EVENT, {"reason": why})
        return row is not None

    rows = await _open(tables, user, (*WAITING_STATES, SENDING))
    ended = sum(await _a_few_at_a_time(map(end, rows)))
    if ended:
        log.info("%d waiting messages to user %s are suppressed", ended, user)
    return ended


async def _a_few_at_a_time(jobs: Iterable[Coroutine[Any, Any, Done]]) -> list[Done]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(job: Coroutine[Any, Any, Done]) -> Done:
        async with gate:
            return await job

    return await asyncio.gather(*map(one, jobs))


async def _open(tables: Tables, user: str, states: Iterable[str]) -> list[dict[str, Any]]:
    """RowKey, Category, State, Code and Round of each row in one of these states."""
    table = await tables.get(LEDGER)
    wanted = " or ".join(f"State eq '{state}'" for state in states)
    names = ["RowKey", "Category", "State", "Code", "Round"]
    rows = table.query_entities(f"PartitionKey eq @user and ({wanted})", parameters={"user": user}, select=names)
    return [dict(row) async for row in rows]


async def suppress(ledger: Ledger, user: str, identity: str, reason: str) -> LedgerRow | None:
    """The row, now suppressed; None when it does not wait any more, or others keep writing it."""
    for _ in range(WRITES):
        row = await ledger.get(user, identity)
        if row is None or row.state not in WAITING_STATES:
            return None
        row.state, row.code, row.detail = "suppressed", reason.partition(":")[0], reason
        row.failed_at = datetime.now(timezone.utc)
        try:
            return await ledger.save(row)
        except RetryableError:
            continue
    return None
