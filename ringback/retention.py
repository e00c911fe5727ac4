"""How long what has ended is kept: one pass through the tables, a page at a time.

    deliveries ▸ operations ▸ ids without a delivery ▸ dead letters without one

A pass is a value that says where it is, so whoever has it can go on with it. Every page may be repeated, and two passes
may run beside each other.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

import msgspec

from ringback import metrics
from ringback.delivery.retention import LEFT, DeliveryRetention
from ringback.operations.desk import DurableEngine
from ringback.operations.retention import OperationRetention
from ringback.tables.paging import Place
from ringback.tables.service import Tables

log = logging.getLogger(__name__)
STAGES = ("deliveries", "operations", "ids", "letters")
ENDED = "ended"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """For how many days: what has ended, and what it said; None is for ever."""

    days: int | None
    content_days: int | None


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One pass: what ended before `before` goes, what it said goes before `content_before`.

    `place` is where in `stage` it is; the stage `ended` is behind the last one. `counts` is what it has done, by kind.
    """

    before: datetime | None
    content_before: datetime | None
    stage: str = STAGES[0]
    place: Place | None = None
    counts: dict[str, int] = {}


def begin(kept: Kept, now: datetime) -> Pass:
    """A pass that has done nothing yet."""
    before, content_before = (
        None if days is None else now - timedelta(days=days) for days in (kept.days, kept.content_days)
    )
    return Pass(before=before, content_before=content_before)


async def next_page(tables: Tables, engine: DurableEngine, done: Pass) -> Pass:
    """Do the next page; what cannot be taken away now is left for another pass."""
    deliveries = DeliveryRetention(tables, engine, done.before, done.content_before)
    operations = OperationRetention(tables, engine, done.before, done.content_before)
    stages = {
        "deliveries": deliveries.page,
        "operations": operations.page,
        "ids": deliveries.page_of_ids,
        "letters": deliveries.page_of_letters,
    }
    found, place = await stages[done.stage](done.place)
    for kind, number in found.items():
        if kind != LEFT:
            metrics.add("removed", number, kind)
    counts = dict(Counter(done.counts) + found)
    stage = done.stage if place else [*STAGES, ENDED][STAGES.index(done.stage) + 1]
    then = msgspec.structs.replace(done, stage=stage, place=place, counts=counts)
    if stage == ENDED:
        log.info("retention %s", msgspec.json.encode(told(then)).decode())
    return then


def told(done: Pass) -> dict[str, object]:
    """What a pass did, as it is logged and as its orchestration answers."""
    return {"endedBefore": done.before, "contentBefore": done.content_before, "removed": done.counts}
