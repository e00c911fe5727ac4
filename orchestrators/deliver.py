"""`deliver`: brings one message to one person, when the gate allows and until the channel has taken it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.delivery.notification import (
    DeliveryEnd,
    GateAnswer,
    GateQuestion,
    Notification,
    SendAnswer,
    SendOrder,
)
from ringback.operations.operation import Steps

bp = df.Blueprint()
# An activity that raises met trouble of our own (tables, network to the token service), not the channel's answer.
OWN_TROUBLE = df.RetryOptions(5_000, 6)
OWN_TROUBLE_SECONDS = 60.0
GIVE_UP = {"critical": timedelta(hours=72), "high": timedelta(hours=48), "normal": timedelta(hours=24)}
MAX_TIMER = timedelta(days=5)


@bp.orchestration_trigger(context_name="context")
def deliver(context: df.DurableOrchestrationContext) -> Steps:
    """Input: Notification. Output: {"state": "delivered" | "failed" | "suppressed", "reason": …, "attempts": n}."""
    notification = msgspec.convert(context.get_input(), Notification)
    give_up_at = context.current_utc_datetime + GIVE_UP.get(notification.priority, GIVE_UP["normal"])
    gate = yield from _pass_gate(context, notification)
    if gate.decision == "suppressed":
        return (yield from _end(context, notification, "suppressed", gate.reason, 0))
    stop, attempt = gate.route[0], 0
    while True:
        attempt += 1
        answer = yield from _send(context, SendOrder(notification=notification, stop=stop, attempt=attempt))
        if answer.outcome == "delivered":
            return {"state": "delivered", "activityId": answer.activity_id, "attempts": attempt}
        if answer.outcome == "permanent":
            return {"state": "failed", "reason": answer.code, "detail": answer.detail, "attempts": attempt}
        due = context.current_utc_datetime + timedelta(seconds=answer.retry_after or 1.0)
        if due > give_up_at:
            return (yield from _end(context, notification, "failed", f"gave up: {answer.code}", attempt))
        yield from _sleep_until(context, due)


def _send(context: df.DurableOrchestrationContext, order: SendOrder) -> Steps:
    """One try; trouble of our own that lasts is a try to be repeated, not the end of the message."""
    try:
        raw = yield context.call_activity_with_retry("send_message", OWN_TROUBLE, msgspec.to_builtins(order))
    except Exception:  # noqa: BLE001  the SDK raises nothing narrower
        return SendAnswer(outcome="retry", code="OwnTrouble", retry_after=OWN_TROUBLE_SECONDS)
    return msgspec.convert(raw, SendAnswer)


def _pass_gate(context: df.DurableOrchestrationContext, notification: Notification) -> Steps:
    """Ask the person's entity until it says send or suppressed, and return its answer."""
    entity = df.EntityId("user", notification.user)
    while True:
        question = GateQuestion(
            category=notification.category,
            priority=notification.priority,
            conversation=notification.conversation,
            now=context.current_utc_datetime,
        )
        raw = yield context.call_entity(entity, "gate", msgspec.to_builtins(question))
        answer = msgspec.convert(raw, GateAnswer)
        if answer.decision != "wait" or answer.until is None:
            return answer
        yield from _sleep_until(context, answer.until)


def _sleep_until(context: df.DurableOrchestrationContext, due: datetime) -> Steps:
    while context.current_utc_datetime < due:
        yield context.create_timer(min(due, context.current_utc_datetime + MAX_TIMER))


def _end(
    context: df.DurableOrchestrationContext, notification: Notification, state: str, reason: str | None, attempts: int
) -> Steps:
    end: Any = msgspec.to_builtins(DeliveryEnd(notification=notification, state=state, reason=reason))
    yield context.call_activity_with_retry("close_delivery", OWN_TROUBLE, end)
    return {"state": state, "reason": reason, "attempts": attempts}
