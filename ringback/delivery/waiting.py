"""Messages that wait for a person: found and taken back when that person opts out."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

from ringback.delivery.consent import EVERY, OPERATIONS
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.notification import CANCEL_EVENT, instance_of
from ringback.errors import RetryableError
from ringback.operations.desk import DurableEngine
from ringback.tables.service import LEDGER, Tables

log = logging.getLogger(__name__)
WAITING_STATES = ("pending", "waiting")
WRITES = 5


async def suppress_waiting(
    tables: Tables, engine: DurableEngine, user: str, category: str = EVERY, reason: str | None = None
) -> int:
    """End what waits for this person; how many that were.

    `category` narrows it; every one leaves out the answers to the person's own questions, unless a `reason` is given.
    Tell the entity first: what passes the gate after this has looked is stopped there. The row is written first, which
    every claim heeds, then the event wakes the orchestration.
    """
    ledger, ended = Ledger(tables), 0
    for identity, about in await _waiting(tables, user):
        if (category == EVERY and about == OPERATIONS and reason is None) or category not in {EVERY, about}:
            continue
        row = await _suppress(ledger, user, identity, reason or f"opted-out: {about}")
        if row is not None:
            await engine.raise_event(instance_of(row.id, row.round), CANCEL_EVENT, {"reason": row.detail})
            ended += 1
    if ended:
        log.info("%d waiting messages to user %s are suppressed", ended, user)
    return ended


async def _waiting(tables: Tables, user: str) -> list[tuple[str, str]]:
    """Delivery id and category of each waiting row."""
    table = await tables.get(LEDGER)
    states = " or ".join(f"State eq '{state}'" for state in WAITING_STATES)
    rows = table.query_entities(
        f"PartitionKey eq @user and ({states})", parameters={"user": user}, select=["RowKey", "Category"]
    )
    return [(row["RowKey"], row.get("Category") or "") async for row in rows]


async def _suppress(ledger: Ledger, user: str, identity: str, reason: str) -> LedgerRow | None:
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
