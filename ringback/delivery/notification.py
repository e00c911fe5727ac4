"""What `deliver` is asked to bring to a person, and what its activities answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one person; `content` is a Bot Framework activity without an address.

    `id` is the delivery id and the instance id of its `deliver` orchestration: sending twice with one id is once.
    `conversation` is the key of a stored reference, or None for wherever the person is reached best: never an address,
    for whoever can write an address receives a token.
    """

    id: str
    user: str
    conversation: str | None = None
    category: str
    content: dict[str, Any]
    priority: str = "normal"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a person: the kind of channel (bot, sms, email) and the key of the reference kept for it."""

    channel: str
    reference: str


class GateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the `user` entity is asked before a message goes out; `now` is the orchestration's clock.

    `channels` narrows the kinds of channel; `conversation` asks for one conversation and no other way.
    """

    category: str
    priority: str
    conversation: str | None = None
    channels: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    now: datetime


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """decision is send (by `route`, the best way first), wait (until `until`) or suppressed (for `reason`)."""

    decision: str
    route: tuple[Stop, ...] = ()
    until: datetime | None = None
    reason: str | None = None


class SendOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Input of the `send_message` activity: try number `attempt`, from 1, by one way."""

    notification: Notification
    stop: Stop
    attempt: int


class SendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the channel said, as data: outcome is delivered, retry, ambiguous or permanent."""

    outcome: str
    code: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    activity_id: str | None = None


class DeliveryEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a delivery ended: state is delivered, failed or suppressed; the output of `deliver`."""

    notification: Notification
    state: str
    reason: str | None = None
