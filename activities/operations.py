"""What `long_operation` does to the world outside its history."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.cancellation import CANCELLED, cancel_marked
from ringback.channels.registry import connector_sender
from ringback.operations.desk import OperationsDesk
from ringback.operations.engine import DurableClientEngine
from ringback.operations.progress import show_progress
from ringback.tables.operations import OperationTable
from ringback.tables.service import tables

bp = df.Blueprint()


@bp.activity_trigger(input_name="payload")
@bp.durable_client_input(client_name="client")
async def ask_user(payload: dict[str, Any], client: Any) -> dict[str, Any]:
    """Note on the row what the operation waits for, and send the question; once, however often this runs."""
    if await cancel_marked(payload):
        return CANCELLED
    desk = OperationsDesk(OperationTable(tables()), DurableClientEngine(client))
    identity, waiting = payload["operation_id"], payload["waiting"]
    row = await desk.table.get(identity)
    if row is None:
        return {"asked": False}
    await desk.table.mark(identity, waiting=waiting)
    await desk.tell(row, f"{identity}-{waiting['event']}", payload["content"])
    return {"asked": row.user is not None}


@bp.activity_trigger(input_name="payload")
async def update_message(payload: dict[str, Any]) -> dict[str, Any]:
    """Put new content in the place of the operation's first answer; what the channel refuses stays as it was."""
    row = await OperationTable(tables()).get(payload["operation_id"])
    if row is not None:
        await show_progress(row, payload["content"], tables(), connector_sender())
    return {}


@bp.activity_trigger(input_name="payload")
@bp.durable_client_input(client_name="client")
async def finish_operation(payload: dict[str, Any], client: Any) -> dict[str, Any]:
    """Start the delivery of the operation's last word, detached, and close its row."""
    desk = OperationsDesk(OperationTable(tables()), DurableClientEngine(client))
    await desk.end(payload["operation_id"], payload["state"], payload["text"], payload["content"])
    return {}
