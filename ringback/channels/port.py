"""The port of channels: what every sender can do, and what it answers.

A sender returns data for whatever the channel says or fails to say; it raises only for mistakes of ours.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

import msgspec

from ringback.delivery.reference import Reference

Payload = dict[str, Any]


class Outcome(Enum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"  # surely not delivered, and worth another attempt
    PERMANENT = "permanent"  # surely not delivered, and no attempt will be
    AMBIGUOUS = "ambiguous"  # the request went out and no answer came


class Reaction(Enum):
    """What a permanent answer says about the reference itself."""

    NONE = "none"
    UNTIL_USER_WRITES = "until-user-writes"  # send nothing more until they write again
    UNTIL_INSTALLED = "until-installed"  # send nothing more until an installationUpdate
    CONFIRM_GONE = "confirm-gone"  # the reference may be dropped once a second answer says the same
    OPERATOR = "operator"  # a setting is wrong: no reference is at fault


class SendResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one attempt; `retry_after` in seconds, `detail` for an operator."""

    outcome: Outcome
    activity_id: str | None = None
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    detail: str = ""
    reaction: Reaction = Reaction.NONE
    # How often an outcome `retry` is worth another attempt; None leaves it to the caller's own limit.
    retries: int | None = None


class Sender(Protocol):
    """One way to reach people."""

    async def send(self, reference: Reference, payload: Payload) -> SendResult:
        """A new message; `payload` is the activity, without its addressing."""

    async def update(self, reference: Reference, activity_id: str, payload: Payload) -> SendResult:
        """Put `payload` in the place of a message sent before, where the channel can."""

    async def delete(self, reference: Reference, activity_id: str) -> SendResult:
        """Take back a message sent before, where the channel can."""
