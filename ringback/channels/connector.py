"""The Bot Connector: messages to Teams, Direct Line, Web Chat and every channel behind a service URL."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from ringback.channels import message_size
from ringback.channels.address import Recipient
from ringback.channels.http import NO_ANSWER, NOT_CONNECTED, session
from ringback.channels.port import Once, Outcome, Payload, Reaction, SendResult, wrong_recipient
from ringback.channels.teams import TEAMS, TeamsUser
from ringback.channels.tokens import TokenSource
from ringback.delivery.policy import Service, classify, no_answer
from ringback.delivery.reference import Reference, check_service_url, local_mode
from ringback.errors import ConfigurationError, RetryableError, UnsafeReferenceError
from ringback.settings import Settings

# These show a conversation as one stream: a reply goes to the conversation, never below an activity.
STREAMS = {"directline", "webchat"}
# What is read of an answer; ids and errors are far smaller.
ANSWER_LIMIT = 64 * 1024


class ConnectorSender:
    """Sends on the process's one session, with the process's one token."""

    def __init__(self, settings: Settings, tokens: TokenSource) -> None:
        self._bot = settings.bot
        self._local = local_mode(settings)
        self._tokens = tokens

    async def send(self, recipient: Recipient, payload: Payload, *, once: Once | None = None) -> SendResult:  # noqa: ARG002  no bot channel knows repeats
        """Into the conversation, or below `payload["replyToId"]` where the channel has threads."""
        if not isinstance(recipient, Reference):
            return wrong_recipient("bot")
        activity = addressed(recipient, payload)
        return await self._call("POST", recipient, activity.get("replyToId") or "", activity)

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:
        """In Direct Line always permanent, code 405."""
        if not isinstance(recipient, Reference):
            return wrong_recipient("bot")
        return await self._call("PUT", recipient, activity_id, addressed(recipient, {**payload, "id": activity_id}))

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:
        """In Direct Line always permanent, code 405."""
        if not isinstance(recipient, Reference):
            return wrong_recipient("bot")
        return await self._call("DELETE", recipient, activity_id, None)

    async def create(self, person: TeamsUser, service_url: str) -> Reference | SendResult:
        """The conversation of this person with the bot; Teams gives the same one for the same two every time."""
        bot_id = f"28:{self._bot.app_id or 'bot'}"
        url = URL(f"{service_url.rstrip('/')}/v3/conversations", encoded=True)
        body = msgspec.json.encode(_parameters(person, bot_id))
        result, answer = await self._ask("POST", service_url, url, body, Service.CREATE)
        if result.outcome is Outcome.AMBIGUOUS:
            # Nothing was said to the person yet, and asking again does no harm.
            return msgspec.structs.replace(result, outcome=Outcome.RETRY)
        if result.outcome is not Outcome.DELIVERED:
            return result
        if result.activity_id is None:
            detail = "the channel opened a conversation and gave no id for it"
            return SendResult(
                outcome=Outcome.RETRY, status=result.status, code="NoConversationId", detail=detail, retries=3
            )
        return Reference(
            channel_id=TEAMS,
            service_url=self._better(service_url, answer),
            conversation_id=result.activity_id,
            tenant_id=person.tenant_id,
            bot_id=bot_id,
            user_id=person.member_id,
            user_name=person.name,
            user_aad_id=person.aad_object_id,
            seen_at=datetime.now(timezone.utc),
        )

    def _better(self, asked: str, answer: bytes) -> str:
        """The service URL that the channel names for the new conversation, if it may be used; else the one asked."""
        named = msgspec.json.decode(answer).get("serviceUrl")
        try:
            return check_service_url(named, self._bot, local=self._local) if isinstance(named, str) else asked
        except UnsafeReferenceError:
            return asked

    async def _call(self, method: str, reference: Reference, activity_id: str, payload: Payload | None) -> SendResult:
        try:
            body = None if payload is None else _encoded(reference, payload)
        except RefusedHereError as error:
            return error.result
        result, _ = await self._ask(method, reference.service_url, _url(reference, activity_id), body, Service.BOT)
        return result

    async def _ask(
        self, method: str, service_url: str, url: URL, body: bytes | None, service: Service
    ) -> tuple[SendResult, bytes]:
        """What the channel says and what it means, with the token that it wants."""
        try:
            check_service_url(service_url, self._bot, local=self._local)
            token = await self._tokens.token()
            result = await self._exchange(method, url, body, token, service)
            if result[0].status == 401 and token is not None:
                fresh = await self._tokens.renewed(token)
                if fresh != token:
                    result = await self._exchange(method, url, body, fresh, service)
        except UnsafeReferenceError as error:
            return _refused("UnsafeServiceUrl", str(error), Reaction.OPERATOR), b""
        except ConfigurationError as error:
            return _refused("NoToken", str(error), Reaction.OPERATOR), b""
        except RetryableError as error:
            return SendResult(outcome=Outcome.RETRY, code="NoToken", detail=str(error)), b""
        return result

    async def _exchange(
        self, method: str, url: URL, body: bytes | None, token: str | None, service: Service
    ) -> tuple[SendResult, bytes]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with session().request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                answer = await _read(response)
                return classify(response.status, response.headers, answer, service=service), answer
        except NOT_CONNECTED as error:
            return no_answer(error, went_out=False), b""
        except NO_ANSWER as error:
            return no_answer(error, went_out=True), b""


class RefusedHereError(Exception):
    """The message is not worth asking the channel."""

    def __init__(self, result: SendResult) -> None:
        super().__init__(result.detail)
        self.result = result


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The status has decided already: a body that breaks off changes nothing."""
    body = bytearray()
    try:
        while len(body) < ANSWER_LIMIT and (chunk := await response.content.readany()):
            body += chunk
    except NO_ANSWER:
        return b""
    return bytes(body)


def _url(reference: Reference, activity_id: str) -> URL:
    conversation = quote(reference.conversation_id, safe="")
    path = f"{reference.service_url.rstrip('/')}/v3/conversations/{conversation}/activities"
    return URL(f"{path}/{quote(activity_id, safe='')}" if activity_id else path, encoded=True)


def addressed(reference: Reference, payload: Payload) -> Payload:
    """The activity as it is sent, with its addressing; what the payload says itself wins, but never where it goes."""
    activity = {
        "type": "message",
        "from": {**_account(reference.bot_id, reference.bot_name), "role": "bot"},
        "recipient": _account(reference.user_id, reference.user_name),
        **payload,
        "channelId": reference.channel_id,
        "serviceUrl": reference.service_url,
        "conversation": _conversation(reference),
    }
    if reference.locale and "locale" not in activity:
        activity["locale"] = reference.locale
    if reference.channel_id in STREAMS:
        activity.pop("replyToId", None)
    return activity


def _parameters(person: TeamsUser, bot_id: str) -> Payload:
    """What the connector is to open; it wants the tenant in both places."""
    return {
        "isGroup": False,
        "bot": {"id": bot_id},
        "members": [_account(person.member_id, person.name)],
        "tenantId": person.tenant_id,
        "channelData": {"tenant": {"id": person.tenant_id}},
    }


def _account(account_id: str, name: str | None) -> Payload:
    return {"id": account_id, "name": name} if name else {"id": account_id}


def _conversation(reference: Reference) -> Payload:
    found: Payload = {"id": reference.conversation_id}
    if reference.is_group:
        found["isGroup"] = True
    if reference.tenant_id:
        found["tenantId"] = reference.tenant_id
    return found


def _encoded(reference: Reference, payload: Payload) -> bytes:
    try:
        body = msgspec.json.encode(payload)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RefusedHereError(_refused("NotJson", f"The message cannot be written as JSON: {error}.")) from error
    if reference.channel_id == TEAMS and (detail := message_size.problem_of_json(body)):
        raise RefusedHereError(_refused(message_size.TOO_BIG, detail))
    return body


def _refused(code: str, detail: str, reaction: Reaction = Reaction.NONE) -> SendResult:
    return SendResult(outcome=Outcome.PERMANENT, code=code, detail=detail, reaction=reaction)
