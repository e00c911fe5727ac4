"""The ledger: one row a delivery, claimed before the message goes out and completed after the channel's answer.

    (none) ──claim──▶ sending ──▶ delivered
                       │  ▲  └───▶ failed
                       ▼  │
                      pending        (the channel said: later)

A row that is still `sending` when it is claimed again belongs to a process that died between sending and writing: that
try is kept as ambiguous, counted, and the message sent once more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from ringback.delivery.notification import Notification
from ringback.errors import RetryableError
from ringback.tables.service import LEDGER, Tables

FINAL_STATES = ("delivered", "failed", "suppressed")
# The row's attempts lie in one property of at most 64 KiB.
MAX_ATTEMPTS = 200


class Attempt(msgspec.Struct, kw_only=True):
    """One try: outcome is sending until it is known, then delivered, retry, permanent or ambiguous."""

    at: datetime
    outcome: str = "sending"
    code: str | None = None


class LedgerRow(msgspec.Struct, kw_only=True):
    """A delivery: its state, every try, and the etag that its next write must match."""

    id: str
    user: str
    state: str
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    ambiguous: int = 0
    code: str | None = None
    activity_id: str | None = None
    category: str = ""
    etag: str | None = None


class Ledger:
    """Claims and completes deliveries."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, user: str, delivery_id: str) -> LedgerRow | None:
        """The row of a delivery, or None."""
        table = await self._tables.get(LEDGER)
        try:
            entity = await table.get_entity(user, delivery_id)
        except ResourceNotFoundError:
            return None
        return _row(dict(entity), str(entity.metadata["etag"]))

    async def claim(self, notification: Notification, now: datetime) -> LedgerRow:
        """The row, now `sending` with a new attempt, or as it is when the delivery has ended.

        Raises RetryableError when another process claims the same delivery at this moment.
        """
        row = await self.get(notification.user, notification.id)
        if row is None:
            row = LedgerRow(id=notification.id, user=notification.user, state="sending", category=notification.category)
        elif row.state in FINAL_STATES:
            return row
        if row.attempts and row.attempts[-1].outcome == "sending":
            row.attempts[-1].outcome, row.attempts[-1].code = "ambiguous", "interrupted"
            row.ambiguous += 1
        row.state = "sending"
        row.attempts = [*row.attempts[-MAX_ATTEMPTS + 1 :], Attempt(at=now)]
        return await self._write(row)

    async def complete(self, row: LedgerRow, outcome: str, code: str | None, activity_id: str | None) -> LedgerRow:
        """Write what the channel answered to the claimed attempt."""
        last = row.attempts[-1]
        last.outcome, last.code = outcome, code
        row.state = {"delivered": "delivered", "permanent": "failed"}.get(outcome, "pending")
        row.ambiguous += outcome == "ambiguous"
        row.code, row.activity_id = code, activity_id
        return await self._write(row)

    async def close(self, notification: Notification, state: str, reason: str | None) -> None:
        """End a delivery without the channel: suppressed, or failed because its time was up."""
        row = await self.get(notification.user, notification.id)
        if row is None:
            row = LedgerRow(id=notification.id, user=notification.user, state=state, category=notification.category)
        elif row.state in FINAL_STATES:
            return
        row.state, row.code = state, reason
        await self._write(row)

    async def _write(self, row: LedgerRow) -> LedgerRow:
        table = await self._tables.get(LEDGER)
        try:
            if row.etag is None:
                metadata: Any = await table.create_entity(_entity(row))
            else:
                metadata = await table.update_entity(
                    _entity(row),
                    mode=UpdateMode.REPLACE,
                    etag=row.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except (ResourceExistsError, ResourceModifiedError):
            raise RetryableError(f"Delivery {row.id} is being worked on by another process.") from None
        row.etag = metadata["etag"]
        return row


def _entity(row: LedgerRow) -> dict[str, Any]:
    entity = {
        "PartitionKey": row.user,
        "RowKey": row.id,
        "State": row.state,
        "Attempts": msgspec.json.encode(row.attempts).decode(),
        "Ambiguous": row.ambiguous,
        "Category": row.category,
        "Code": row.code,
        "ActivityId": row.activity_id,
    }
    return {name: value for name, value in entity.items() if value is not None}


def _row(entity: dict[str, Any], etag: str) -> LedgerRow:
    return LedgerRow(
        id=entity["RowKey"],
        user=entity["PartitionKey"],
        state=entity["State"],
        attempts=msgspec.json.decode(entity["Attempts"], type=list[Attempt]),
        ambiguous=entity["Ambiguous"],
        code=entity.get("Code"),
        activity_id=entity.get("ActivityId"),
        category=entity.get("Category", ""),
        etag=etag,
    )
