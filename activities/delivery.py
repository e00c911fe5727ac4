"""The activities of `deliver`: each answers with data, and raises only for trouble of our own."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import DeliveryEnd, DeliveryHold, SendOrder
from ringback.delivery.opening import Recipients
from ringback.delivery.sending import Sending, dead_letter
from ringback.delivery.throttle import throttle
from ringback.settings import settings
from ringback.tables.dead_letters import DeadLetterTable
from ringback.tables.service import tables
from ringback.templates.library import Templates

bp = df.Blueprint()


@bp.activity_trigger(input_name="payload")
async def send_message(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: SendOrder. One try. Output: SendAnswer."""
    found = tables()
    config, templates = settings(), Templates(found)
    pace = throttle(found, config)
    sending = Sending(Ledger(found), Recipients(found, pace, config), DeadLetterTable(found), pace, templates)
    return _plain(await sending.send(msgspec.convert(payload, SendOrder)))


@bp.activity_trigger(input_name="payload")
async def hold_delivery(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: DeliveryHold. Note until when a message waits. Output: {"ended": its state, or null}."""
    hold = msgspec.convert(payload, DeliveryHold)
    row = await Ledger(tables()).hold(hold.notification, hold.until, hold.reason, _now())
    return {"ended": row.state if row.is_final else None}


@bp.activity_trigger(input_name="payload")
async def close_delivery(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: DeliveryEnd. Write the end of a delivery that the channel did not decide. Output: {"state", "reason"}."""
    end = msgspec.convert(payload, DeliveryEnd)
    row = await Ledger(tables()).close(end.notification, end.state, end.reason, _now())
    if row.state == "failed":
        await DeadLetterTable(tables()).put(dead_letter(row))
    return {"state": row.state, "reason": row.detail or row.code}


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain


def _now() -> datetime:
    return datetime.now(timezone.utc)
