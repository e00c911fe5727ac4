"""The timer that finishes what a crash left half done: each minute, and when the app starts."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from ringback.delivery.desk import DeliveryDesk
from ringback.delivery.people import ClientUserEntities
from ringback.delivery.recovery import recover_deliveries, recover_errands
from ringback.files import store
from ringback.operations.desk import OperationsDesk
from ringback.operations.engine import DurableClientEngine
from ringback.operations.recovery import recover_all
from ringback.tables.operations import OperationTable
from ringback.tables.service import FILES, tables

bp = df.Blueprint()
# What an operation that was ended from outside could not remove.
FILE_AGE = timedelta(days=1)


@bp.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=True, use_monitor=False)
@bp.durable_client_input(client_name="client")
async def recover_operations(timer: func.TimerRequest, client: Any) -> None:  # noqa: ARG001  the binding's
    """Recover operations, deliveries and errands; once an hour remove files that nobody will."""
    engine = DurableClientEngine(client)
    operations, deliveries = OperationsDesk(OperationTable(tables()), engine), DeliveryDesk(tables(), engine)
    entities = ClientUserEntities(client, df.EntityId)
    errands = recover_errands(tables(), engine, entities)
    await asyncio.gather(recover_all(operations), recover_deliveries(deliveries, entities), errands)
    now = datetime.now(timezone.utc)
    if now.minute == 0:
        await store.purge(await tables().get(FILES), now - FILE_AGE)
