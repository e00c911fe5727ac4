"""The activities of `deliver`: each answers with data, and raises only for trouble of our own."""

from __future__ import annotations

import logging
import random
from datetime import datetime, timezone
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.channels.port import Outcome, SendResult
from ringback.channels.registry import connector_sender
from ringback.delivery.ledger import Ledger, LedgerRow
from ringback.delivery.notification import DeliveryEnd, SendAnswer, SendOrder
from ringback.delivery.policy import backoff
from ringback.errors import ConfigurationError
from ringback.tables.references import ReferenceTable
from ringback.tables.service import tables

bp = df.Blueprint()
log = logging.getLogger(__name__)
MEND_SECONDS = 60.0


@bp.activity_trigger(input_name="payload")
async def send_message(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: SendOrder. Claim the delivery, send it, write what the channel said. Output: SendAnswer."""
    order = msgspec.convert(payload, SendOrder)
    notification = order.notification
    try:
        sender = connector_sender()
    except ConfigurationError as error:
        # Nothing was tried, so nothing is claimed: the message waits for the setting to be mended.
        log.error("delivery %s waits for a setting: %s", notification.id, error)  # noqa: TRY400  no stack helps here
        return _plain(SendAnswer(outcome="retry", code="NotConfigured", retry_after=MEND_SECONDS))
    ledger = Ledger(tables())
    row = await ledger.claim(notification, datetime.now(timezone.utc))
    if row.state != "sending":
        return _plain(_ended(row))
    reference = await ReferenceTable(tables()).get(notification.user, order.stop.reference)
    if reference is None:
        result = SendResult(outcome=Outcome.PERMANENT, code="UnknownConversation", detail="no reference is stored")
    else:
        result = await sender.send(reference, notification.content)
    answer = _answer(result, order.attempt)
    await ledger.complete(row, answer.outcome, answer.code, answer.activity_id)
    if answer.outcome != "delivered":
        log.warning("delivery %s, try %d: %s %s", notification.id, order.attempt, answer.outcome, answer.code)
    return _plain(answer)


@bp.activity_trigger(input_name="payload")
async def close_delivery(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: DeliveryEnd. Write the end of a delivery that the channel did not decide."""
    end = msgspec.convert(payload, DeliveryEnd)
    await Ledger(tables()).close(end.notification, end.state, end.reason)
    return {}


def _answer(result: SendResult, attempt: int) -> SendAnswer:
    outcome = result.outcome.value
    if result.outcome is Outcome.RETRY and result.retries is not None and attempt > result.retries:
        outcome = Outcome.PERMANENT.value
    wait = result.retry_after
    if wait is None and outcome in {"retry", "ambiguous"}:
        wait = backoff(attempt, random=random.random)
    return SendAnswer(
        outcome=outcome,
        code=result.code,
        detail=result.detail or None,
        retry_after=wait,
        activity_id=result.activity_id,
    )


def _ended(row: LedgerRow) -> SendAnswer:
    outcome = "delivered" if row.state == "delivered" else "permanent"
    return SendAnswer(outcome=outcome, code=row.code, activity_id=row.activity_id, detail="ended before")


def _plain(answer: SendAnswer) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    return plain
