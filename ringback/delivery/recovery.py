"""Finishing what was left half done: deliveries that nothing moves, and errands for people."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone

from ringback.delivery.adoption import watch_of
from ringback.delivery.desk import START_GRACE, DeliveryDesk
from ringback.delivery.erasure import continue_erasure
from ringback.delivery.people import UserEntities
from ringback.delivery.tidying import continue_tidying
from ringback.delivery.waiting import run_wake
from ringback.operations.desk import DurableEngine
from ringback.tables.errands import ERASE, TIDY, Errand, ErrandTable
from ringback.tables.notifications import Listing
from ringback.tables.service import Tables

log = logging.getLogger(__name__)
AT_ONCE = 16
# A door that is at it needs less.
ERRAND_GRACE = timedelta(seconds=20)


async def recover_deliveries(
    desk: DeliveryDesk, entities: UserEntities | None = None, grace: timedelta = START_GRACE
) -> int:
    """Look at every delivery whose time for it has come; the number of those that could not be, each logged."""
    gate, now = asyncio.Semaphore(AT_ONCE), datetime.now(timezone.utc)

    async def recover(listing: Listing) -> None:
        # What was listed a moment ago belongs to a door that may be starting it right now.
        await asyncio.sleep(max(0.0, (listing.at + grace - now).total_seconds()))
        async with gate:
            await desk.recover(listing, now, entities)

    listed = [listing async for listing in desk.index.listed(due=now)]
    results = await asyncio.gather(*map(recover, listed), return_exceptions=True)
    failed = [pair for pair in zip(listed, results, strict=True) if isinstance(pair[1], BaseException)]
    for listing, error in failed:
        log.error("delivery %s could not be recovered: %r", listing.delivery, error)
    return len(failed)


async def recover_errands(
    tables: Tables, engine: DurableEngine, entities: UserEntities, grace: timedelta = ERRAND_GRACE
) -> int:
    """Go on with every errand that is not young, and with the erasures that another task hub abandoned.

    The number of those that could not be gone on with, each logged.
    """
    now, table, watch = datetime.now(timezone.utc), ErrandTable(tables), watch_of(tables)
    errands = [errand async for errand in table.listed() if now - errand.at >= grace]
    # An erasure is owed to the person, also when the task hub that was asked for it is no more.
    others = [errand async for errand in table.listed(of_others=True)]
    errands += [errand for errand in others if watch.sees_abandoned((errand.kind, errand.user), errand.at, now)]
    return [await _goes_on(tables, engine, entities, errand) for errand in errands].count(False)


async def _goes_on(tables: Tables, engine: DurableEngine, entities: UserEntities, errand: Errand) -> bool:
    try:
        if errand.kind == ERASE:
            await continue_erasure(tables, engine, errand)
        elif errand.kind == TIDY:
            await continue_tidying(tables, entities, errand)
        else:
            await run_wake(tables, engine, errand)
    except Exception:
        log.exception("the errand %s for user %s could not be gone on with", errand.kind, errand.user)
        return False
    return True
