"""The Bot Connector: messages to Teams, Direct Line, Web Chat and every channel behind a service URL."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from ringback.channels.address import Recipient
from ringback.channels.http import NO_ANSWER, NOT_CONNECTED, session
from ringback.channels.port import Once, Outcome, Payload, Reaction, SendResult, wrong_recipient
from ringback.channels.tokens import TokenSource
from ringback.delivery.policy import classify, no_answer
from ringback.delivery.reference import Reference, check_service_url, local_mode
from ringback.errors import ConfigurationError, RetryableError, UnsafeReferenceError
from ringback.settings import Settings

# These show a conversation as one stream: a reply goes to the conversation, never below an activity.
STREAMS = {"directline", "webchat"}
TEAMS = "msteams"
# Teams counts the UTF-16 of a whole message and refuses near 100 KB.
TEAMS_LARGEST = 80 * 1024
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
        activity = _addressed(recipient, payload)
        return await self._call("POST", recipient, activity.get("replyToId") or "", activity)

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:
        """In Direct Line always permanent, code 405."""
        if not isinstance(recipient, Reference):
            return wrong_recipient("bot")
        return await self._call("PUT", recipient, activity_id, _addressed(recipient, {**payload, "id": activity_id}))

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:
        """In Direct Line always permanent, code 405."""
        if not isinstance(recipient, Reference):
            return wrong_recipient("bot")
        return await self._call("DELETE", recipient, activity_id, None)

    async def _call(self, method: str, reference: Reference, activity_id: str, payload: Payload | None) -> SendResult:
        try:
            check_service_url(reference.service_url, self._bot, local=self._local)
            body = None if payload is None else _encoded(reference, payload)
            token = await self._tokens.token()
            url = _url(reference, activity_id)
            result = await self._exchange(method, url, body, token)
            if result.status == 401 and token is not None:
                fresh = await self._tokens.renewed(token)
                if fresh != token:
                    result = await self._exchange(method, url, body, fresh)
        except RefusedHereError as error:
            return error.result
        except UnsafeReferenceError as error:
            return _refused("UnsafeServiceUrl", str(error), Reaction.OPERATOR)
        except ConfigurationError as error:
            return _refused("NoToken", str(error), Reaction.OPERATOR)
        except RetryableError as error:
            return SendResult(outcome=Outcome.RETRY, code="NoToken", detail=str(error))
        return result

    async def _exchange(self, method: str, url: URL, body: bytes | None, token: str | None) -> SendResult:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with session().request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                return classify(response.status, response.headers, await _read(response))
        except NOT_CONNECTED as error:
            return no_answer(error, went_out=False)
        except NO_ANSWER as error:
            return no_answer(error, went_out=True)


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


def _addressed(reference: Reference, payload: Payload) -> Payload:
    """The activity with its addressing; what the payload says itself wins, but never where it goes."""
    addressed = {
        "type": "message",
        "from": {**_account(reference.bot_id, reference.bot_name), "role": "bot"},
        "recipient": _account(reference.user_id, reference.user_name),
        **payload,
        "channelId": reference.channel_id,
        "serviceUrl": reference.service_url,
        "conversation": _conversation(reference),
    }
    if reference.locale and "locale" not in addressed:
        addressed["locale"] = reference.locale
    if reference.channel_id in STREAMS:
        addressed.pop("replyToId", None)
    return addressed


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
    if reference.channel_id == TEAMS and len(body) * 2 > TEAMS_LARGEST:
        size = len(body.decode().encode("utf-16-le"))
        if size > TEAMS_LARGEST:
            detail = f"The message has {size} bytes of UTF-16; Teams takes {TEAMS_LARGEST} at most: shorten it."
            raise RefusedHereError(_refused("MessageSizeTooBig", detail))
    return body


def _refused(code: str, detail: str, reaction: Reaction = Reaction.NONE) -> SendResult:
    return SendResult(outcome=Outcome.PERMANENT, code=code, detail=detail, reaction=reaction)
