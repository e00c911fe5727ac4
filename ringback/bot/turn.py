"""The parts that the bot SDK wants for a turn: an identity, and a connector for its replies."""
# ruff: noqa: ARG002 - the signatures are the SDK's

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from botbuilder.schema import Activity, ResourceResponse
from botframework.connector.auth import (
    AuthenticateRequestResult,
    BotFrameworkAuthentication,
    ClaimsIdentity,
    ConnectorFactory,
    UserTokenClient,
)
from msrest.serialization import Deserializer, Serializer

from ringback.bot.authentication import Authenticator
from ringback.bot.inbound import parse_inbound
from ringback.channels.port import Outcome, Payload, Sender, SendResult
from ringback.delivery.policy import no_answer
from ringback.delivery.reference import Reference
from ringback.errors import RequestError

LOG = logging.getLogger(__name__)
CALLER = "urn:botframework:azure"
AUDIENCE = "https://api.botframework.com"
# The channel gives the whole turn 10 to 15 seconds, then posts the activity again.
REPLY_SECONDS = 8.0
# A turn has seconds: one more attempt at a reply, if the channel does not ask for a longer pause.
PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0

# msrest builds these anew, over all models, for every single call of Activity.serialize.
MODELS = Activity._infer_class_models()  # noqa: SLF001 - no public way
SERIALIZER = Serializer(MODELS)
DESERIALIZER = Deserializer(MODELS)


def to_activity(body: Any) -> Activity:
    """The SDK's model of an activity; RequestError if it cannot be one."""
    try:
        return DESERIALIZER("Activity", body)
    except Exception as error:  # msrest has no common root for what it raises
        raise RequestError(f"The body is not an activity: {error}.") from error


def to_payload(activity: Activity) -> Payload:
    """The JSON of an activity."""
    payload: Payload = SERIALIZER._serialize(activity)  # noqa: SLF001 - `body` rebuilds a Deserializer each time
    return payload


class TurnAuthentication(BotFrameworkAuthentication):
    """What CloudAdapterBase asks for: the identity behind a request, and a connector for its replies."""

    def __init__(self, authenticator: Authenticator, sender: Sender) -> None:
        self.authenticator = authenticator
        self._sender = sender

    def result(self, identity: ClaimsIdentity, reference: Reference) -> AuthenticateRequestResult:
        result = AuthenticateRequestResult()
        result.claims_identity = identity
        result.audience = AUDIENCE
        result.caller_id = CALLER if identity.claims else None
        result.connector_factory = TurnConnectorFactory(self._sender, reference)
        return result

    async def authenticate_request(self, activity: Activity, auth_header: str) -> AuthenticateRequestResult:
        body = to_payload(activity)
        identity = await self.authenticator.authenticate(auth_header, body)
        return self.result(identity, parse_inbound(body).reference)

    async def authenticate_streaming_request(
        self, auth_header: str, channel_id_header: str
    ) -> AuthenticateRequestResult:
        raise RequestError("This bot speaks HTTP, not the streaming protocol.")

    def create_connector_factory(self, claims_identity: ClaimsIdentity) -> ConnectorFactory:
        raise NotImplementedError("Messages outside a turn go through ringback.channels.connector.")

    async def create_user_token_client(self, claims_identity: ClaimsIdentity) -> UserTokenClient | None:
        """No dialogue of ours signs users in."""
        return None


class TurnConnectorFactory(ConnectorFactory):
    def __init__(self, sender: Sender, reference: Reference) -> None:
        self._connector = TurnConnector(sender, reference)

    async def create(self, service_url: str, audience: str) -> TurnConnector:
        return self._connector


class TurnConnector:
    """The part of the SDK's ConnectorClient that a turn uses, on our sender."""

    def __init__(self, sender: Sender, reference: Reference) -> None:
        self.conversations = TurnConversations(sender, reference)


class TurnConversations:
    """Replies of one turn; what the channel refuses is logged and ends there."""

    def __init__(self, sender: Sender, reference: Reference) -> None:
        self._sender = sender
        self._reference = reference

    async def send_to_conversation(self, conversation_id: str, activity: Activity) -> ResourceResponse:
        payload = to_payload(activity)
        return await self._deliver("reply", lambda: self._sender.send(self._reference, payload))

    async def reply_to_activity(self, conversation_id: str, activity_id: str, activity: Activity) -> ResourceResponse:
        activity.reply_to_id = activity_id
        return await self.send_to_conversation(conversation_id, activity)

    async def update_activity(self, conversation_id: str, activity_id: str, activity: Activity) -> ResourceResponse:
        payload = to_payload(activity)
        return await self._deliver("update", lambda: self._sender.update(self._reference, activity_id, payload))

    async def delete_activity(self, conversation_id: str, activity_id: str) -> None:
        await self._deliver("removal", lambda: self._sender.delete(self._reference, activity_id))

    async def _deliver(self, what: str, attempt: Callable[[], Awaitable[SendResult]]) -> ResourceResponse:
        try:
            result = await asyncio.wait_for(_attempts(attempt), REPLY_SECONDS)
        except asyncio.TimeoutError as error:
            result = no_answer(error, went_out=True)
        if result.outcome is not Outcome.DELIVERED:
            self._log(what, result)
        return ResourceResponse(id=result.activity_id)

    def _log(self, what: str, result: SendResult) -> None:
        where = (self._reference.channel_id, self._reference.key)
        why = (result.outcome.value, result.status, result.code, result.detail)
        LOG.warning("A %s on %s to conversation %s was not delivered: %s, status %s, code %s: %s", what, *where, *why)


async def _attempts(attempt: Callable[[], Awaitable[SendResult]]) -> SendResult:
    result = await attempt()
    pause = PAUSE_SECONDS if result.retry_after is None else result.retry_after
    if result.outcome is Outcome.RETRY and pause <= LONGEST_PAUSE_SECONDS:
        await asyncio.sleep(pause)
        result = await attempt()
    return result
