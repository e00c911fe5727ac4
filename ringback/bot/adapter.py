"""The bot SDK's turn over our own authentication, parsing and sending.

Importing this costs what botbuilder costs (about 150 ms): a door imports it with its first message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from botbuilder.core import CloudAdapterBase, TurnContext
from msrest.serialization import Model

from ringback.bot.authentication import Authenticator
from ringback.bot.inbound import Inbound, parse_inbound
from ringback.bot.turn import TurnAuthentication, to_activity
from ringback.channels.port import Payload, Sender
from ringback.delivery.reference import check_service_url, local_mode
from ringback.settings import Settings

INBOUND = "ringback.inbound"

OnTurn = Callable[[TurnContext], Awaitable[None]]


class InvokeResponse(msgspec.Struct, frozen=True):
    """What the channel's POST is answered with when 200 alone does not do; `body` is JSON."""

    status: int
    body: Any = None


class RingbackAdapter(CloudAdapterBase):
    """Takes a channel's POST through authentication, parsing and the bot's turn."""

    def __init__(self, settings: Settings, sender: Sender) -> None:
        super().__init__(TurnAuthentication(Authenticator(settings), sender))
        self._settings = settings

    async def process(self, auth_header: str | None, body: Any, on_turn: OnTurn) -> InvokeResponse | None:
        """Run the turn of one activity, decoded JSON; None means 200 without a body.

        Raises AuthenticationError, AuthorizationError, ConfigurationError, RequestError, UnsafeReferenceError or
        RetryableError before the turn, each with the status to answer with, and whatever `on_turn` raises.
        """
        identity = await self.bot_framework_authentication.authenticator.authenticate(auth_header, body)
        inbound = parse_inbound(body)
        check_service_url(inbound.reference.service_url, self._settings.bot, local=local_mode(self._settings))
        activity = to_activity(body)

        async def turn(context: TurnContext) -> None:
            context.turn_state[INBOUND] = inbound
            await on_turn(context)

        authenticated = self.bot_framework_authentication.result(identity, inbound.reference)
        return _answer(await self.process_activity(authenticated, activity, turn))


def inbound_of(context: TurnContext) -> Inbound:
    """The activity of this turn in our own shape."""
    found = context.turn_state[INBOUND]
    assert isinstance(found, Inbound)
    return found


async def reply(context: TurnContext, *payloads: Payload) -> list[str | None]:
    """Send activities given as JSON; their ids, None where the channel refused (logged) or told none."""
    responses = await context.send_activities([to_activity({"type": "message", **payload}) for payload in payloads])
    return [response.id or None for response in responses]


def _answer(result: Any) -> InvokeResponse | None:
    """The SDK hands over an InvokeResponse of its own, or whatever the bot put into an invokeResponse activity."""
    if result is None:
        return None
    found = result if isinstance(result, dict) else {"status": result.status, "body": result.body}
    status = found.get("status")
    return InvokeResponse(int(status) if isinstance(status, int) else 200, _plain(found.get("body")))


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.serialize()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value
