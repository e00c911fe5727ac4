"""Direct Line 3.0: what clients call, as https://learn.microsoft.com/azure/bot-service/rest-api documents it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from aiohttp import web
from yarl import URL

from local.channel.context import CHANNEL, Channel
from local.channel.errors import bad_argument, forbidden, missing_property
from local.channel.groups import kind_of, open_group
from local.channel.identity import DEFAULT_TENANT
from local.channel.properties import checked
from local.channel.store import (
    DIRECT_LINE,
    TEAMS,
    Activity,
    Conversation,
    Member,
    new_conversation,
    new_conversation_id,
)
from local.channel.striking import faulty
from local.channel.tokens import TOKEN_SECONDS, Access
from local.channel.wire import field, json_answer, read_object, text_field

BASE = "/v3/directline"
PAGE = 1000


def authorize(request: web.Request) -> Access:
    return request.app[CHANNEL].tokens.authorize(request.headers.get("Authorization"), request.headers.get("Origin"))


def reach(request: web.Request) -> tuple[Channel, Access, Conversation]:
    """The conversation named in the path, once the caller has shown that they may reach it."""
    access = authorize(request)
    channel = request.app[CHANNEL]
    conversation_id = request.match_info["conversation"]
    access.check(conversation_id)
    return channel, access, channel.conversation(conversation_id)


async def generate_token(request: web.Request) -> web.Response:
    access = authorize(request)
    if not access.is_secret:
        raise forbidden("Only the Direct Line secret generates tokens; refresh this one with /tokens/refresh.")
    body = await read_object(request, "The token request", optional=True)
    user, name = _user(body)
    if user and not user.startswith("dl_"):
        raise bad_argument("user.id must start with 'dl_'.")
    granted = Access(new_conversation_id(), user, name, _channel_id(body), _origins(body))
    return _token_answer(request.app[CHANNEL], granted)


async def refresh_token(request: web.Request) -> web.Response:
    access = authorize(request)
    if access.is_secret:
        raise forbidden("Only a token can be refreshed, not the secret.")
    return _token_answer(request.app[CHANNEL], access)


def _token_answer(channel: Channel, access: Access) -> web.Response:
    token = channel.tokens.mint(access)
    return json_answer({"conversationId": access.conversation, "token": token, "expires_in": TOKEN_SECONDS})


async def start_conversation(request: web.Request) -> web.Response:
    channel, access = request.app[CHANNEL], authorize(request)
    body = await read_object(request, "The conversation request", optional=True)
    user, name = _user(body)
    if kind_of(body) and not access.is_secret:
        raise forbidden("Only the Direct Line secret makes a group: a token is for a conversation of one person.")
    if access.is_secret:
        access = Access(new_conversation_id(), user, name, _channel_id(body))
    elif not access.user and user:
        access = replace(access, user=user, user_name=name)
    conversation = channel.store.conversation(access.conversation)
    status = 200 if conversation else 201
    if conversation is None:
        conversation = open_conversation(channel, access, body)
        access = replace(access, conversation=conversation.id)
        channel.turns.started(conversation)
    data = {
        "conversationId": conversation.id,
        "token": channel.tokens.mint(access),
        "expires_in": TOKEN_SECONDS,
        "streamUrl": stream_url(request, conversation, 0),
        "referenceGrammarId": secrets.token_hex(8),
    }
    return json_answer(data, status)


def open_conversation(channel: Channel, access: Access, body: dict[str, Any]) -> Conversation:
    channel_id = access.channel_id or DIRECT_LINE
    if kind := kind_of(body):
        return open_group(channel, channel_id, DEFAULT_TENANT, kind, body)
    tenant = DEFAULT_TENANT if channel_id == TEAMS else ""
    conversation = new_conversation(
        access.conversation,
        channel_id,
        user_id=access.user,
        user_name=access.user_name,
        locale=text_field(body, "locale"),
        tenant_id=tenant,
    )
    members = [channel.identity.bot(channel_id)]
    if access.user:
        members.append(Member(access.user, access.user_name, "user"))
    channel.store.start(conversation, *members)
    return conversation


async def reconnect(request: web.Request) -> web.Response:
    channel, access, conversation = reach(request)
    position = start_position(request, conversation)
    token = channel.tokens.mint(replace(access, conversation=conversation.id))
    data = {
        "conversationId": conversation.id,
        "token": token,
        "expires_in": TOKEN_SECONDS,
        "streamUrl": stream_url(request, conversation, position),
    }
    return json_answer(data)


async def get_activities(request: web.Request) -> web.Response:
    channel, _, conversation = reach(request)
    position = watermark(request.query.get("watermark", ""))
    rows = channel.store.after(conversation.id, position, PAGE)
    newest = rows[-1][0] if rows else min(position, conversation.last_position)
    return json_answer({"activities": [activity for _, activity in rows], "watermark": str(newest)})


async def post_activity(request: web.Request) -> web.Response:
    channel, access, conversation = reach(request)
    activity = await read_object(request, "The activity")
    return json_answer({"id": await take(channel, access, conversation, activity)})


async def take(channel: Channel, access: Access, conversation: Conversation, activity: Activity) -> str:
    """A client's activity to the bot, as the user that the token names whatever the activity says."""
    given = checked(activity).get("from")
    user = access.user or text_field(given, "id") or conversation.user_id
    if not user:
        raise missing_property("The activity needs a 'from' with an 'id'.")
    name = text_field(given, "name") or access.user_name
    return await channel.turns.user_activity(conversation, activity, Member(user, name, "user"))


async def session_id(request: web.Request) -> web.Response:
    authorize(request)
    return json_answer({"sessionId": secrets.token_hex(16)})


def watermark(text: str) -> int:
    """A position of the log; an empty watermark is the beginning."""
    if not text or text == "-":
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise bad_argument(f"{text[:40]!r} is not a watermark of this channel.")
    return int(text)


def start_position(request: web.Request, conversation: Conversation) -> int:
    """Where a stream begins: at the watermark in the query, without one at what is new.

    A watermark of the future, of a state folder that is gone, must not silence it until the log has grown so far.
    """
    given = request.query.get("watermark", "")
    return min(watermark(given), conversation.last_position) if given else conversation.last_position


def stream_url(request: web.Request, conversation: Conversation, position: int) -> str:
    """Where the client opens its WebSocket: the host by which it reached the channel."""
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    url = URL(f"{'wss' if secure else 'ws'}://{request.host}")
    token = request.app[CHANNEL].tokens.mint_stream(conversation.id)
    path = f"{BASE}/conversations/{conversation.id}/stream"
    return str(url.with_path(path).with_query({"watermark": str(position), "t": token}))


def _user(body: dict[str, Any]) -> tuple[str, str]:
    """Id and name of the body's user, empty when it has none; raises 400 for what is no user."""
    user = field(body, "user")
    if user is not None and not isinstance(user, dict):
        raise bad_argument("'user' must be an object with an 'id'.")
    for name in ("id", "name"):
        if not isinstance(field(user, name), str | None):
            raise bad_argument(f"'user.{name}' must be a string.")
    return text_field(user, "id"), text_field(user, "name")


def _origins(body: dict[str, Any]) -> tuple[str, ...]:
    origins = field(body, "trustedOrigins") or ()
    if not isinstance(origins, list | tuple) or not all(isinstance(origin, str) for origin in origins):
        raise bad_argument("trustedOrigins must be an array of strings.")
    return tuple(origin.rstrip("/") for origin in origins)


def _channel_id(body: dict[str, Any]) -> str:
    """An extension of this channel: `channelId` chooses what the bot and the connector see the conversation as."""
    chosen = text_field(body, "channelId") or DIRECT_LINE
    if chosen not in (DIRECT_LINE, TEAMS):
        raise bad_argument(f"channelId must be {DIRECT_LINE!r} or {TEAMS!r}.")
    return chosen


def routes() -> list[web.RouteDef]:
    conversation = BASE + "/conversations/{conversation}"
    return [
        web.post(f"{BASE}/tokens/generate", faulty("token", generate_token)),
        web.post(f"{BASE}/tokens/refresh", faulty("token", refresh_token)),
        web.post(f"{BASE}/conversations", faulty("start", start_conversation)),
        web.get(conversation, faulty("reconnect", reconnect), allow_head=False),
        web.get(f"{conversation}/activities", faulty("get", get_activities), allow_head=False),
        web.post(f"{conversation}/activities", faulty("post", post_activity)),
        web.get(f"{BASE}/session/getsessionid", session_id, allow_head=False),
    ]
