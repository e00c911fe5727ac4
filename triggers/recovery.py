"""The timer that finishes what a crash left half done.

Every operation that has not ended is listed; each minute, and when the app starts, the list is held against the rows
and the engine: a row whose orchestration never started is started, one whose orchestration was ended from outside is
closed and its user told.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from ringback.files import store
from ringback.operations.desk import START_GRACE, OperationsDesk
from ringback.operations.engine import DurableClientEngine
from ringback.tables.operations import OperationTable
from ringback.tables.service import FILES, tables

bp = df.Blueprint()
log = logging.getLogger(__name__)
# A listing without a row belongs to a door that died before it answered anybody.
ORPHAN_AGE = timedelta(hours=1)
AT_ONCE = 16
# What an operation that was ended from outside could not remove.
FILE_AGE = timedelta(days=1)


@bp.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=True, use_monitor=False)
@bp.durable_client_input(client_name="client")
async def recover_operations(timer: func.TimerRequest, client: Any) -> None:  # noqa: ARG001  the binding's
    """Look at every operation that is listed as open."""
    desk = OperationsDesk(OperationTable(tables()), DurableClientEngine(client))
    now = datetime.now(timezone.utc)
    gate = asyncio.Semaphore(AT_ONCE)

    async def recover(identity: str, listed_at: datetime) -> None:
        # What was listed a moment ago belongs to a door that may be starting it right now.
        await asyncio.sleep(max(0.0, (listed_at + START_GRACE - now).total_seconds()))
        async with gate:
            await _recover(desk, identity, listed_at, now)

    if now.minute == 0:
        await store.purge(await tables().get(FILES), now - FILE_AGE)
    listed = [entry async for entry in desk.table.listed_open()]
    results = await asyncio.gather(*(recover(*entry) for entry in listed), return_exceptions=True)
    for entry, result in zip(listed, results, strict=True):
        if isinstance(result, BaseException):
            log.error("operation %s could not be recovered: %r", entry[0], result)


async def _recover(desk: OperationsDesk, identity: str, listed_at: datetime, now: datetime) -> None:
    row = await desk.table.get(identity)
    if row is None:
        if now - listed_at > ORPHAN_AGE:
            await desk.table.forget_listing(identity)
    elif row.is_open:
        await desk.look(row)
    else:
        await desk.table.forget_listing(identity)
