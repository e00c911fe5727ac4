"""Finishing what a crash left half done.

Every operation that has not ended is listed. The list is held against the rows and the engine: a row whose instance
never started is started, one whose orchestration was ended from outside is closed and its user told.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone

from ringback.operations.desk import START_GRACE, OperationsDesk

log = logging.getLogger(__name__)
# A listing without a row belongs to a door that died before it answered anybody.
ORPHAN_AGE = timedelta(hours=1)
AT_ONCE = 16


async def recover_all(desk: OperationsDesk, grace: timedelta = START_GRACE) -> int:
    """Look at every listed operation; the number of those that could not be looked at, each logged."""
    gate = asyncio.Semaphore(AT_ONCE)
    now = datetime.now(timezone.utc)

    async def recover(identity: str, listed_at: datetime) -> None:
        # What was listed a moment ago belongs to a door that may be starting it right now.
        await asyncio.sleep(max(0.0, (listed_at + grace - now).total_seconds()))
        async with gate:
            await _recover(desk, identity, listed_at, now)

    listed = [entry async for entry in desk.table.listed_open()]
    results = await asyncio.gather(*(recover(*entry) for entry in listed), return_exceptions=True)
    failed = [
        (entry[0], result) for entry, result in zip(listed, results, strict=True) if isinstance(result, BaseException)
    ]
    for identity, error in failed:
        log.error("operation %s could not be recovered: %r", identity, error)
    return len(failed)


async def _recover(desk: OperationsDesk, identity: str, listed_at: datetime, now: datetime) -> None:
    row = await desk.table.get(identity)
    if row is None:
        if now - listed_at > ORPHAN_AGE:
            await desk.table.forget_listing(identity)
    elif row.is_open:
        await desk.look(row)
    else:
        await desk.table.forget_listing(identity)
