"""`deliver`: brings one message to one person, when the gate allows and until a channel has taken it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from orchestrators.waiting import CancellableClock
from ringback.delivery.notification import (
    CANCEL_EVENT,
    WAKE_EVENT,
    DeliveryEnd,
    DeliveryHold,
    GateAnswer,
    GateQuestion,
    Notification,
    Progress,
    SendAnswer,
    SendOrder,
    Stop,
)
from ringback.operations.operation import Steps

bp = df.Blueprint()
# An activity that raises met trouble of our own (tables, network to the token service), not the channel's answer.
OWN_TROUBLE = df.RetryOptions(5_000, 6)
OWN_TROUBLE_SECONDS = 60.0
GIVE_UP = {"critical": timedelta(hours=72), "high": timedelta(hours=48), "normal": timedelta(hours=24)}
# So long an answer of the gate stands: quiet hours may have begun since, or the person have opted out.
STALE = timedelta(minutes=1)
# Reasons of the gate that repeat what a channel said before: a failure, and no rule of ours.
CHANNELS_WORD = ("blocked", "not-installed", "gone")
# Reasons to cancel that are rules of ours.
RULES = ("opted-out", "erased")
# A shorter wait is not worth a write.
WORTH_NOTING = timedelta(seconds=10)
# A history of many more turns is slow to replay, and in the end overflows the SDK.
MAX_SLEEPS = 40


@bp.orchestration_trigger(context_name="context")
def deliver(context: df.DurableOrchestrationContext) -> Steps:
    """Input: Notification. Output: {"state": a final state of the ledger, "reason": …, "attempts": n}."""
    return (yield from Delivery(context, msgspec.convert(context.get_input(), Notification)).run())


class Delivery:
    """One delivery under way; every method that ends it returns the orchestration's output, else None."""

    def __init__(self, context: df.DurableOrchestrationContext, notification: Notification) -> None:
        self._context = context
        # What a renewed history carries over is no part of what activities are given.
        self._notification = msgspec.structs.replace(notification, progress=Progress())
        self._clock = CancellableClock(context, CANCEL_EVENT)
        progress = notification.progress
        self._attempt, self._code, self._refused = progress.attempt, progress.code, set(progress.refused)
        self._give_up_at, self._counted = progress.give_up_at, progress.counted
        self._asked_at, self._overtaken = context.current_utc_datetime, False

    @property
    def _now(self) -> datetime:
        now: datetime = self._context.current_utc_datetime
        return now

    def run(self) -> Steps:
        not_before = self._notification.not_before
        if not_before is not None and not (yield from self._clock.sleep_until(not_before)):
            return (yield from self._cancelled())
        while True:
            output = yield from self._pass()
            if output is not None:
                return output
            if self._clock.woken or self._clock.sleeps >= MAX_SLEEPS:
                return self._begin_anew()

    def _pass(self) -> Steps:
        """Ask the gate, then wait or send as it says."""
        answer = yield from self._ask()
        if answer.decision == "wait" and answer.until is not None:
            return (yield from self._wait(answer.until, answer.reason))
        if answer.decision != "send":
            reason = answer.reason or "suppressed"
            state = "failed" if reason.partition(":")[0] in CHANNELS_WORD else "suppressed"
            return (yield from self._end(state, reason))
        self._counted = True
        stops = [stop for stop in answer.route if stop.reference not in self._refused]
        if not stops:
            return (yield from self._end("failed", self._code or "no channel is left"))
        if self._give_up_at is None:
            self._give_up_at = self._now + GIVE_UP.get(self._notification.priority, GIVE_UP["normal"])
        return (yield from self._try(stops, answer.locale, self._give_up_at))

    def _ask(self) -> Steps:
        notification = self._notification
        question = GateQuestion(
            category=notification.category,
            priority=notification.priority,
            conversation=notification.conversation,
            channels=notification.channels,
            expires_at=notification.expires_at,
            counted=self._counted,
            now=self._now,
        )
        raw = yield self._context.call_entity(self._person, "gate", msgspec.to_builtins(question))
        self._asked_at = self._now
        return msgspec.convert(raw, GateAnswer)

    def _try(self, stops: list[Stop], locale: str | None, give_up_at: datetime) -> Steps:
        """Send by the first way; None when it is refused for good and there are others; again later when it is not."""
        while True:
            answer = yield from self._send(stops[0], locale, last=len(stops) == 1)
            self._tell_person(stops[0], answer)
            if answer.outcome == "delivered":
                return {"state": "delivered", "activityId": answer.activity_id, "attempts": self._attempt}
            if answer.outcome == "ended":
                return {"state": answer.state, "reason": answer.code, "attempts": self._attempt}
            if answer.outcome == "stale":
                # Once: clocks that differ would have it asked again and again.
                self._overtaken = True
                return None
            if answer.outcome == "permanent":
                self._refused.add(stops.pop(0).reference)
                self._code = answer.code
                if not stops:
                    return {"state": "failed", "reason": answer.code, "attempts": self._attempt}
                # The person may have opted out, or wish for another order, since the gate answered.
                return None
            due = self._now + timedelta(seconds=answer.retry_after or 1.0)
            if due > give_up_at:
                return (yield from self._end("failed", f"gave-up: {answer.code}"))
            output = yield from self._wait(due, answer.code, note=False)
            # By the clock, not by the sleep: the host may have been down for hours of it.
            if output is not None or self._now - self._asked_at > STALE or self._clock.sleeps >= MAX_SLEEPS:
                return output

    def _send(self, stop: Stop, locale: str | None, *, last: bool) -> Steps:
        """One try; trouble of our own that lasts is a try to be repeated, not the end of the message."""
        self._attempt += 1
        order = SendOrder(
            notification=self._notification,
            stop=stop,
            attempt=self._attempt,
            asked_at=None if self._overtaken else self._asked_at,
            last=last,
            locale=locale,
        )
        try:
            raw = yield self._context.call_activity_with_retry("send_message", OWN_TROUBLE, msgspec.to_builtins(order))
        except Exception:  # noqa: BLE001  the SDK raises nothing narrower
            return SendAnswer(outcome="retry", code="OwnTrouble", retry_after=OWN_TROUBLE_SECONDS)
        answer = msgspec.convert(raw, SendAnswer)
        if answer.outcome in {"throttled", "stale"}:
            self._attempt -= 1
        return answer

    def _tell_person(self, stop: Stop, answer: SendAnswer) -> None:
        """What the channel's answer says of the way itself is kept where the next gate looks."""
        if answer.reaction is not None:
            # Who wrote while the channel was still thinking is not blocked by what it says.
            at = answer.at or self._now
            said = {"reference": stop.reference, "reaction": answer.reaction, "at": at.isoformat()}
            self._context.signal_entity(self._person, "channel_said", said)

    def _wait(self, until: datetime, reason: str | None, *, note: bool = True) -> Steps:
        """Sleep; None when it is time, the output when the delivery was cancelled or will have expired by then."""
        expires_at = self._notification.expires_at
        if expires_at is not None and until >= expires_at:
            return (yield from self._end("suppressed", f"expired: it was wanted before {expires_at.isoformat()}"))
        if note and until - self._now > WORTH_NOTING:
            hold = DeliveryHold(notification=self._notification, until=until, reason=reason)
            held = yield self._call("hold_delivery", hold)
            if held["ended"] is not None:
                return {"state": held["ended"], "reason": None, "attempts": self._attempt}
        # What the person changes is the gate's to weigh; a channel's wait is none of theirs.
        if not (yield from self._clock.sleep_until(until, WAKE_EVENT if note else None)):
            return (yield from self._cancelled())
        return None

    def _cancelled(self) -> Steps:
        """Whoever raised the event has written the end before it, and then this changes nothing."""
        reason = self._clock.reason or "cancelled"
        return (yield from self._end("suppressed" if reason.startswith(RULES) else "cancelled", reason))

    def _end(self, state: str, reason: str) -> Steps:
        """Write the end, unless the ledger has one."""
        ended = yield self._call(
            "close_delivery", DeliveryEnd(notification=self._notification, state=state, reason=reason)
        )
        return {**ended, "attempts": self._attempt}

    def _call(self, activity: str, payload: msgspec.Struct) -> Any:
        return self._context.call_activity_with_retry(activity, OWN_TROUBLE, msgspec.to_builtins(payload))

    def _begin_anew(self) -> None:
        """Drop the history, and ask the gate first thing in the new one, as a wake event that is lost with it would.

        A cancel event that is lost with it has been written to the ledger, which claims heed.
        """
        progress = Progress(
            attempt=self._attempt,
            give_up_at=self._give_up_at,
            counted=self._counted,
            refused=tuple(sorted(self._refused)),
            code=self._code,
        )
        renewed = msgspec.structs.replace(self._notification, progress=progress)
        self._context.continue_as_new(msgspec.to_builtins(renewed))

    @property
    def _person(self) -> df.EntityId:
        return df.EntityId("user", self._notification.user)
