"""The port of channels: what every sender can do, and what it answers.

A sender returns data for whatever the channel says or fails to say; it raises only for mistakes of ours.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import msgspec

from ringback.channels.address import Recipient
from ringback.channels.teams import TeamsUser
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


class Once(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What lets a channel recognise a message that it has been given before.

    Keep the key while it is not known what became of the message (ambiguous); after an answer, whatever it says, a
    further attempt needs another key: a channel repeats its answer to the same one.
    """

    key: str
    first_sent: datetime  # aware: when the first attempt with this key began
    repeated: bool = False  # an attempt with this key went out before


class Sender(Protocol):
    """One way to reach people; given a recipient of another kind it answers permanent, code WrongRecipient.

    Bot channels take a Reference and an activity without its addressing; SMS and e-mail take an Address and the
    payload's `text`, `subject`, `html` and, for e-mail, `headers`.
    """

    async def send(self, recipient: Recipient, payload: Payload, *, once: Once | None = None) -> SendResult:
        """A new message; a channel that can uses `once` to bring a repeated one to the person only once."""

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:
        """Put `payload` in the place of a message sent before, where the channel can."""

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:
        """Take back a message sent before, where the channel can."""


@runtime_checkable
class Opener(Protocol):
    """A sender that can also open a conversation with somebody who never wrote."""

    async def create(self, person: TeamsUser, service_url: str) -> Reference | SendResult:
        """The conversation with this person alone, or what the channel said instead: never delivered or ambiguous.

        Nothing shows of it to the person, and asking again gives the same conversation.
        """


def wrong_recipient(kind: str) -> SendResult:
    """The answer of a sender that is given a recipient of another channel."""
    detail = f"the {kind} channel cannot reach a recipient of another kind"
    return SendResult(outcome=Outcome.PERMANENT, code="WrongRecipient", detail=detail)


def cannot(what: str) -> SendResult:
    """The answer of a channel that cannot edit or recall."""
    detail = f"what was sent by this channel cannot be {what}; send a new message instead"
    return SendResult(outcome=Outcome.PERMANENT, status=405, code="NotSupported", detail=detail)
