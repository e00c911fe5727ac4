"""The activities of `deliver`: each answers with data, and raises only for trouble of our own."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.delivery.desk import PREFIX
from ringback.delivery.erasure import ERASED
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import DeliveryEnd, DeliveryHold, Notification, SendOrder
from ringback.delivery.opening import Recipients
from ringback.delivery.sending import Sending, dead_letter
from ringback.delivery.throttle import throttle
from ringback.settings import settings
from ringback.tables.dead_letters import DeadLetterTable
from ringback.tables.errands import ERASE, ErrandTable
from ringback.tables.notifications import Listing, NotificationTable
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
    order = msgspec.convert(payload, SendOrder)
    answer = await sending.send(order)
    ended = answer.outcome in {"delivered", "ended"} or (answer.outcome == "permanent" and order.last)
    await _note(order.notification, ended=ended)
    return _plain(answer)


@bp.activity_trigger(input_name="payload")
async def hold_delivery(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: DeliveryHold. Note until when a message waits. Output: {"ended": its state, or null}."""
    hold = msgspec.convert(payload, DeliveryHold)
    row = await Ledger(tables()).hold(hold.notification, hold.until, hold.reason, _now())
    over = row.is_over(hold.notification.round)
    await _note(hold.notification, ended=over)
    return {"ended": row.state if over else None}


@bp.activity_trigger(input_name="payload")
async def close_delivery(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: DeliveryEnd. Write the end of a delivery that the channel did not decide. Output: {"state", "reason"}."""
    end, found = msgspec.convert(payload, DeliveryEnd), tables()
    row = await Ledger(found).close(end.notification, end.state, end.reason, _now())
    if row.state == "failed":
        await DeadLetterTable(found).put(dead_letter(row))
    if row.code == ERASED and not row.erased:
        # It came after its person was erased: what it says goes the way of the rest.
        await ErrandTable(found).add(ERASE, row.user, row.created_at or _now())
    await _note(end.notification, ended=True)
    return {"state": row.state, "reason": row.detail or row.code}


async def _note(notification: Notification, *, ended: bool) -> None:
    """Take what has ended off the recovery timer's list; put on it what an operation sends and takes long."""
    index = NotificationTable(tables())
    if ended:
        await index.unlist(notification.id, notification.round)
    elif not notification.id.startswith(PREFIX):
        # A notification was listed when it was taken in.
        listing = Listing(delivery=notification.id, user=notification.user, at=_now(), round=notification.round)
        await index.list_open(listing)


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain


def _now() -> datetime:
    return datetime.now(timezone.utc)
