"""Where operations are begun, looked at, cancelled and closed: one desk behind chat, API and recovery timer.

The order of writes is the promise. Begin: list as open, insert the row, start the orchestration, mark the row started.
Whatever dies in between, a repeated request or the recovery timer goes on from what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import msgspec

from ringback.bot import messages
from ringback.delivery.notification import Notification
from ringback.errors import NotFoundError
from ringback.ids import is_key
from ringback.operations.catalogue import title
from ringback.operations.operation import CANCEL_EVENT, OperationStart
from ringback.tables.operations import OperationRow, OperationTable

ORCHESTRATOR = "long_operation"
DELIVER = "deliver"
# A door that was listing, inserting and starting needs less; who finds an older row unstarted may start it.
START_GRACE = timedelta(seconds=10)


class InstanceStatus(msgspec.Struct, frozen=True):
    """What the Durable engine says of an instance; runtime is its runtimeStatus, custom our own status."""

    runtime: str
    custom: Mapping[str, Any]
    output: Any = None


class DurableEngine(Protocol):
    """The three verbs of the durable client that the desk needs."""

    async def start(self, orchestrator: str, instance_id: str, payload: Any, *, fresh: bool = False) -> None:
        """Start an instance; one that runs already counts as started. `fresh`: nobody has used its id before."""

    async def status(self, instance_id: str) -> InstanceStatus | None:
        """The state of an instance, or None when there is none."""

    async def raise_event(self, instance_id: str, name: str, data: Any) -> bool:
        """Raise an event; False when the instance is gone or has ended."""

    async def purge(self, instance_id: str) -> bool:
        """Forget an instance that has ended, with its history; False when it still runs."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as it is shown: its row, and the state, percent, step and text of this moment."""

    row: OperationRow
    state: str
    percent: int
    step: str
    text: str
    output: Any = None


class OperationsDesk:
    """Begins operations and says how they are."""

    def __init__(self, table: OperationTable, engine: DurableEngine, *, kept_days: int | None = None) -> None:
        """`kept_days`: how long what has ended is kept, for who asks for what is not there."""
        self._kept_days = kept_days
        self.table = table
        self._engine = engine

    async def begin(self, row: OperationRow) -> bool:
        """Write the row, then start; False when the id was seen before, and then start only what never started."""
        if await self.table.insert(row):
            await self._start(row)
            return True
        seen = await self.table.get(row.id)
        if seen is not None and seen.is_open and not seen.started and self._is_here(seen):
            await self.start_if_missing(seen)
        return False

    async def start_if_missing(self, row: OperationRow) -> None:
        """Start a row that has no instance: the process died between the two."""
        if await self._engine.status(row.id) is None:
            await self._start(row)
        else:
            await self.table.mark(row.id, started=True)

    async def _start(self, row: OperationRow) -> None:
        start = OperationStart(
            operation=row.operation,
            input=row.input,
            user=row.user,
            conversation=row.conversation,
            editable=row.editable,
        )
        await self._engine.start(ORCHESTRATOR, row.id, msgspec.to_builtins(start))
        await self.table.mark(row.id, started=True)

    async def view(self, identity: str) -> View:
        """One operation; raises NotFoundError."""
        row = await self.table.get(identity) if is_key(identity) else None
        if row is None:
            days = f" One that ended more than {self._kept_days} days ago was removed." if self._kept_days else ""
            hint = "`GET /api/operations` lists what can be started."
            raise NotFoundError(f"There is no operation {identity!r}.{days} {hint}")
        return await self.look(row)

    async def look(self, row: OperationRow) -> View:
        """The row beside what the engine says; closes a row whose instance ended without a word."""
        status = await self._engine.status(row.id)
        if row.is_open and self._is_here(row):
            gone = lost_state(row, status)
            if gone is not None:
                row = await self._close_lost(row, gone)
            elif status is None and _age(row) > START_GRACE:
                await self._start(row)
        return _view(row, status)

    def _is_here(self, row: OperationRow) -> bool:
        """Whether it is this task hub's: what another runs is not in this one's engine."""
        return row.hub in {None, self.table.hub}

    async def running(self, owner: str) -> list[View]:
        """What one person has running, oldest first."""
        rows = await self.table.of_owner(owner, open_only=True)
        views = await asyncio.gather(*(self.look(row) for row in rows))
        return [view for view in views if view.row.is_open]

    async def end(self, identity: str, state: str, text: str, content: dict[str, Any]) -> None:
        """Ring the user back, then close the row: dying in between repeats the first, which the ledger bears."""
        row = await self.table.get(identity)
        if row is None or not row.is_open:
            return
        await self.tell(row, f"{identity}-result", content)
        await self.table.end(identity, state, text, datetime.now(timezone.utc))

    async def tell(self, row: OperationRow, delivery_id: str, content: dict[str, Any]) -> None:
        """Start a delivery to the person who asked, if one did; the same id is sent once.

        It goes where they asked; without a conversation, by the ways that they consented to.
        """
        if row.user is None:
            return
        notification = Notification(
            id=delivery_id, user=row.user, conversation=row.conversation, category="operations", content=content
        )
        await self._engine.start(DELIVER, delivery_id, msgspec.to_builtins(notification))

    async def _close_lost(self, row: OperationRow, reason: str) -> OperationRow:
        # Its own last activity closes a row before the instance ends: read again what was open a moment ago.
        row = await self.table.get(row.id) or row
        if row.is_open:
            await self.end(row.id, "terminated", reason, messages.stopped(row, title(row.operation), reason))
            row = await self.table.get(row.id) or row
        return row

    async def cancel(self, identity: str) -> View:
        """Mark the row, then wake the orchestration: an activity sees the first, a waiting orchestrator the second."""
        view = await self.view(identity)
        if not view.row.is_open:
            return view
        await self.table.mark(identity, cancel=True)
        await self._engine.raise_event(identity, CANCEL_EVENT, {})
        return await self.view(identity)

    async def answer(self, identity: str, event: str, data: Any) -> bool:
        """Raise an awaited event; False when the operation has ended."""
        row = await self.table.get(identity)
        if row is None or not row.is_open:
            return False
        return await self._engine.raise_event(identity, event, data)


def lost_state(row: OperationRow, status: InstanceStatus | None) -> str | None:
    """Why an open row's instance will never close it, in words for the user; None when it still can."""
    if status is None:
        return "It was removed by an operator." if row.started else None
    if status.runtime in {"Terminated", "Canceled"}:
        return "It was stopped by an operator."
    if status.runtime in {"Failed", "Completed"}:
        # Its own last activity closes the row before the function returns.
        return "It ended without a result."
    return None


def _age(row: OperationRow) -> timedelta:
    return datetime.now(timezone.utc) - row.created_at


def _view(row: OperationRow, status: InstanceStatus | None) -> View:
    custom = status.custom if status else {}
    state = str(custom.get("state", "running")) if row.is_open else row.state
    if row.is_open and row.cancel and state in {"running", "waiting"}:
        state = "cancelling"
    percent = 100 if row.state == "succeeded" else int(custom.get("percent", 0))
    text = (row.text or "") if not row.is_open else str(custom.get("text", "starting"))
    return View(
        row=row,
        state=state,
        percent=percent,
        step=str(custom.get("step", "")),
        text=text,
        output=status.output if status else None,
    )
