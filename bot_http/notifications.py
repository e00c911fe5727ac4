"""Notifications: any system with the function key writes to a person, and learns what became of it."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from bot_http.bodies import decode
from bot_http.problem import answer, answers_problems
from ringback import ids
from ringback.delivery import addressing, request
from ringback.delivery.changes import Changes
from ringback.delivery.content import BOT, marked, rendered
from ringback.delivery.desk import DeliveryDesk, delivery_of, public_id
from ringback.delivery.fitting import check_fitting
from ringback.delivery.ledger_row import Attempt, LedgerRow
from ringback.delivery.notification import Notification
from ringback.delivery.request import NotificationRequest, Saying
from ringback.delivery.throttle import throttle
from ringback.engagement.view import VIEW
from ringback.errors import ConflictError, RequestError
from ringback.operations.engine import DurableClientEngine
from ringback.settings import settings
from ringback.tables.engagement import EngagementTable, Presses
from ringback.tables.recipients import RecipientTable
from ringback.tables.service import tables
from ringback.templates.library import Templates

bp = df.Blueprint()
FORM = '{"to": {…}, "category": …, "text" | "card" | "template" + "data", …}'


@bp.route(route="notifications", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def post_notification(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """202 with id, status and statusUrl. The same id or Idempotency-Key again: the first one's status; else 409."""
    asked = decode(req.get_body(), NotificationRequest, FORM)
    chosen, digest, desk = (
        request.id_of(asked, req.headers.get("Idempotency-Key")),
        request.body_digest(asked),
        _desk(client),
    )
    try:
        notification = await _notification(asked, chosen or ids.random_id())
    except RequestError:
        # What could be asked for then may have expired since: the first answer still holds.
        seen = await desk.seen(chosen, digest) if chosen else None
        if seen is None:
            raise
        return _accepted(seen)
    return _accepted(await desk.submit(notification, digest))


@bp.route(route="notifications/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def get_notification(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """What became of one, and which of its buttons were pressed."""
    row = await _desk(client).look(req.route_params["id"])
    presses = await EngagementTable(tables()).of(row.id, row.created_at)
    return answer({**shown(row), "engagement": engagement(presses)} if presses else shown(row))


@bp.route(route="notifications/{id}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def delete_notification(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """Cancel one that was not sent; recall one that was, where the channel can."""
    row = await _desk(client).cancel(req.route_params["id"])
    if row.state == "delivered":
        row = await _changes(client).recall(row)
    elif row.state != "cancelled":
        raise ConflictError(f"It has ended as {row.state}: there is nothing to cancel.")
    return answer(shown(row))


@bp.route(route="notifications/{id}", methods=["PATCH"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def patch_notification(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """Change what one says: before it is sent anywhere, after that where the channel can."""
    content, field = request.content_of(decode(req.get_body(), Saying, '{"text" | "card" | "template" + "data"}'))
    activity = await rendered(content, BOT, None, Templates(tables()))
    row = await _desk(client).settled(req.route_params["id"])
    if not row.is_final:
        activity, to = marked(activity, row.id), row.conversation
        await check_fitting(content, activity, channels=row.channels, user=row.user, conversation=to, tables=tables())
    return answer(shown(await _changes(client).edit(row, content, field)))


async def _notification(asked: NotificationRequest, chosen: str) -> Notification:
    request.check(asked, request.utc_now())
    content, _ = request.content_of(asked)
    # An unknown template, or data that does not fit it, is the caller's to mend, now.
    activity = marked(await rendered(content, BOT, None, Templates(tables())), delivery_of(chosen))
    user, conversation = await addressing.resolve(asked.to, tables(), settings().acs_chat_channels)
    await check_fitting(
        content, activity, channels=asked.channels, user=user, conversation=conversation, tables=tables()
    )
    return Notification(
        id=delivery_of(chosen),
        user=user,
        conversation=conversation,
        category=asked.category,
        content=content,
        priority=asked.priority,
        channels=asked.channels and tuple(dict.fromkeys(asked.channels)),
        not_before=asked.not_before,
        expires_at=asked.expires_at,
        on_ambiguous=asked.on_ambiguous,
    )


def _desk(client: Any) -> DeliveryDesk:
    return DeliveryDesk(tables(), DurableClientEngine(client), kept_days=settings().retention.days)


def _changes(client: Any) -> Changes:
    found = tables()
    return Changes(_desk(client).ledger, RecipientTable(found), throttle(found, settings()), Templates(found))


def _accepted(row: LedgerRow) -> func.HttpResponse:
    url = status_url(row)
    return answer({"id": public_id(row.id), "status": row.state, "statusUrl": url}, 202, {"Location": url})


def status_url(row: LedgerRow) -> str:
    """Where to ask what became of a delivery."""
    return f"{settings().public_url}/api/notifications/{public_id(row.id)}"


def shown(row: LedgerRow) -> dict[str, Any]:
    """A delivery as callers see it; what does not apply is left out."""
    body = {
        "id": public_id(row.id),
        "status": row.state,
        "reason": row.code,
        "detail": row.detail,
        "category": row.category,
        "priority": row.priority,
        "channel": row.channel,
        "attempts": [_attempt(attempt) for attempt in row.attempts],
        "tries": row.tries,
        "ambiguousTries": row.ambiguous,
        "redriven": row.round,
        "createdAt": row.created_at,
        "notBefore": row.not_before,
        "expiresAt": row.expires_at,
        "waitingUntil": row.waiting_until if row.state == "waiting" else None,
        "deliveredAt": row.delivered_at,
        "latencySeconds": row.latency,
        "endedAt": row.failed_at,
        "recalledAt": row.recalled_at,
        "editedAt": row.edited_at,
        "erased": row.erased or None,
        "contentRemoved": row.emptied or None,
        "statusUrl": status_url(row),
    }
    return _without_none(body)


def engagement(presses: dict[str, Presses]) -> dict[str, Any]:
    """The presses on a delivery's buttons as callers see them."""
    viewed = presses.get(VIEW.name)
    actions = {
        name: {"presses": found.presses, "firstAt": found.first, "lastAt": found.last}
        for name, found in sorted(presses.items())
    }
    body = {
        "presses": sum(found.presses for found in presses.values()),
        "firstViewedAt": viewed.first if viewed else None,
        "actions": actions,
    }
    return _without_none(body)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    measured = {"status": attempt.status, "latencySeconds": attempt.latency}
    said = {"at": attempt.at, "channel": attempt.channel, "outcome": attempt.outcome, "code": attempt.code}
    return {**said, **_without_none(measured)}


def _without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(value) for name, value in body.items() if value is not None}
