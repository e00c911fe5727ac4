"""Deliveries in every state, and passes of retention over them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec

from ringback import retention
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.ledger_row import FINAL_STATES
from ringback.delivery.notification import HOLD, Notification, Stop
from ringback.delivery.sending import dead_letter
from ringback.retention import Kept, Pass
from ringback.tables.engagement import Counted, EngagementTable
from ringback.tables.service import DEAD_LETTERS, ENGAGEMENT, LEDGER, NOTIFICATIONS, OPERATIONS, Tables

USER = "a" * 32
SECRET = "the diagnosis"
STOP = Stop(channel="bot", reference="c")
DAYS = 90


def now() -> datetime:
    return datetime.now(timezone.utc)


def after(days: float) -> datetime:
    return now() + timedelta(days=days)


def notification(identity: str, **fields) -> Notification:
    content = {"type": "message", "text": SECRET}
    return Notification(id=delivery_of(identity), user=USER, category="clinic", content=content, **fields)


async def brought_to(desk: DeliveryDesk, engine, identity: str, state: str) -> None:
    """A notification in this state; its orchestration has ended if it has."""
    wish = notification(identity, on_ambiguous=HOLD)
    row = await desk.submit(wish, "body")
    if state in {"sending", "delivered", "failed", "ambiguous"}:
        row = await desk.ledger.claim(row, STOP, now())
    outcomes = {"delivered": Outcome.DELIVERED, "failed": Outcome.PERMANENT, "ambiguous": Outcome.AMBIGUOUS}
    if state in outcomes:
        row = await desk.ledger.complete(row, SendResult(outcome=outcomes[state], code="Gone"), now())
    elif state in {"suppressed", "cancelled"}:
        row = await desk.ledger.close(wish, state, "opted-out: clinic", now())
    elif state == "waiting":
        row = await desk.ledger.hold(wish, after(400), "quiet-hours", now())
    if state == "failed":
        await desk.letters.put(dead_letter(row))
    if state in FINAL_STATES:
        engine.show(row.id, runtime="Completed")
        await desk.index.unlist(row.id, 0)
    assert row.state == state


async def run(tables, engine, at: datetime, days: int | None = DAYS, content_days: int | None = None) -> dict[str, int]:
    """A pass as its orchestration makes it, each page from what a history would hold of the last."""
    done = retention.begin(Kept(days=days, content_days=content_days), at)
    while done.stage != retention.ENDED:
        raw = msgspec.json.encode(await retention.next_page(tables, engine, done))
        done = msgspec.json.decode(raw, type=Pass)
    return done.counts


async def dump(tables: Tables, *names: str) -> dict[tuple[str, ...], dict]:
    found = {}
    for name in names or (LEDGER, NOTIFICATIONS, DEAD_LETTERS, OPERATIONS, ENGAGEMENT):
        async for entity in (await tables.get(name)).list_entities():
            found[name, entity["PartitionKey"], entity["RowKey"]] = dict(entity)
    return found


async def press(tables, desk: DeliveryDesk, identity: str) -> None:
    row = await desk.find(identity)
    counted = Counted(
        delivery=row.id,
        press="p1",
        action="view",
        category="clinic",
        template="",
        created_at=row.created_at,
        at=now(),
    )
    assert await EngagementTable(tables).record(counted)
