"""What `deliver` is asked to bring to a person, and what its activities answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

CANCEL_EVENT = "cancel"
WAKE_EVENT = "ask-again"
RESEND, HOLD = "resend", "hold"
PRIORITIES = ("normal", "high", "critical")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery of many tries carries over when its history begins anew; `counted`: see GateQuestion."""

    attempt: int = 0
    counted: bool = False
    give_up_at: datetime | None = None
    refused: tuple[str, ...] = ()
    code: str | None = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one person; `content` is a Bot Framework activity without an address.

    `id` is the delivery id: sending twice with one id is once. Without content, the ledger's row holds it.
    `conversation` is the key of a stored reference, or None for wherever the person is reached best: never an address,
    for whoever can write an address receives a token. `channels` narrows the kinds of channel.
    `on_ambiguous` is resend, or hold: a message that may have arrived is not sent again.
    `round` counts how often an operator sent it again; each round is an orchestration of its own.
    """

    id: str
    user: str
    conversation: str | None = None
    category: str
    content: dict[str, Any] | None = None
    priority: str = "normal"
    channels: tuple[str, ...] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    on_ambiguous: str = RESEND
    round: int = 0
    progress: Progress = Progress()


def instance_of(delivery_id: str, number: int) -> str:
    """The instance id of a delivery's `deliver` orchestration in its round `number`, from 0."""
    # No id that a caller may choose has the mark, so none is another one's round.
    return f"{delivery_id}!r{number}" if number else delivery_id


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a person: the kind of channel (bot, sms, email) and the key of the reference kept for it."""

    channel: str
    reference: str


class GateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the `user` entity is asked before a message goes out; `now` is the orchestration's clock.

    `channels` narrows the kinds of channel; `conversation` asks for one conversation and no other way. `counted` tells
    that this message was let through before and has not gone out: it takes no more of the person's rate.
    """

    category: str
    priority: str
    conversation: str | None = None
    channels: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    counted: bool = False
    now: datetime


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """decision is send (by `route`, the best way first), wait (until `until`) or suppressed (for `reason`).

    `locale` is the language that the person prefers, None for whatever their channel says.
    """

    decision: str
    route: tuple[Stop, ...] = ()
    locale: str | None = None
    until: datetime | None = None
    reason: str | None = None


class SendOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Input of the `send_message` activity: try number `attempt`, from 1, by one way; `last`: there is no other way.

    `locale` is the person's preferred one, if they have one. `asked_at` is when the gate let it through, by the
    orchestration's clock; None when it is to be sent however long ago that was.
    """

    notification: Notification
    stop: Stop
    attempt: int
    asked_at: datetime | None = None
    last: bool = True
    locale: str | None = None


class SendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a try, as data.

    outcome is delivered, retry, ambiguous or permanent (the channel's answer), throttled (nothing was tried: too many
    messages at this moment), stale (nothing was tried: the gate answered too long ago) or ended (the ledger says that
    the delivery is over: `state`). `reaction` is what the answer means for the way, as of `at`, when the try began.
    """

    outcome: str
    code: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    activity_id: str | None = None
    reaction: str | None = None
    at: datetime | None = None
    state: str | None = None


class DeliveryHold(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `hold_delivery`: the message waits until then, for `reason`."""

    notification: Notification
    until: datetime
    reason: str | None = None


class DeliveryEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `close_delivery`: an end that no channel decided; state is failed, suppressed or cancelled."""

    notification: Notification
    state: str
    reason: str | None = None
