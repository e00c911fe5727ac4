"""What a fault does to a call, and the calls of Direct Line's clients that faults may strike."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local.channel.context import CHANNEL, Handler
from local.channel.errors import ChannelError
from local.channel.faults import Fault
from local.channel.wire import MAX_ACTIVITY, NOT_JSON, error_answer, field, json_value, read_body, text_field

# Operations whose body is JSON that names the user.
NAMING = ("token", "start", "post")


class DroppedError(ConnectionError):
    """The connection was cut on purpose."""


def faulty(operation: str, handler: Handler) -> Handler:
    """A handler that the channel's faults may strike."""

    async def call(request: web.Request) -> web.StreamResponse:
        faults = request.app[CHANNEL].faults
        if not faults.rules:
            return await handler(request)
        conversation, users = await _subject(request, operation)
        return await struck(request, faults.choose(operation, conversation, users), handler)

    return call


async def _subject(request: web.Request, operation: str) -> tuple[str, set[str]]:
    """The conversation of a client's call and whom it could be said to be of; what is wrong with it comes later."""
    channel = request.app[CHANNEL]
    conversation, users = request.match_info.get("conversation", ""), {request.query.get("userId", "")}
    try:
        access = channel.tokens.authorize(request.headers.get("Authorization"), request.headers.get("Origin"))
    except ChannelError:
        pass
    else:
        conversation = conversation or access.conversation
        users.add(access.user)
    if operation in NAMING:
        body = object_in(await read_body(request, MAX_ACTIVITY, "The body"))
        users |= {text_field(field(body, name), "id") for name in ("user", "from")}
        # The page, which asks for a token in its own way, names its user and conversation by their ids alone.
        users.add(text_field(body, "user"))
        conversation = conversation or text_field(body, "conversationId")
    known = channel.store.conversation(conversation) if conversation else None
    users.add(known.user_id if known else "")
    return conversation, users


async def struck(request: web.Request, fault: Fault | None, handler: Handler) -> web.StreamResponse:
    """The handler's answer, or what the fault makes of it; raises DroppedError for a cut connection."""
    if fault is None:
        return await handler(request)
    response = await handler(request) if fault.taken or fault.twice else None
    if fault.twice:
        await handler(request)
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        if request.transport:
            request.transport.abort()
        raise DroppedError("the connection was dropped by a fault")
    if fault.status:
        return _answer(fault)
    return await handler(request) if response is None else response


def _answer(fault: Fault) -> web.StreamResponse:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    message = fault.message or _phrase(fault.status)
    if fault.html:
        page = f"<html><body><h1>{fault.status} {message}</h1></body></html>"
        return web.Response(text=page, status=fault.status, content_type="text/html", headers=headers)
    return error_answer(ChannelError(fault.status, fault.code or "ServiceError", message, headers))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "on demand"


def object_in(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None for what is none."""
    try:
        value = json_value(body)
    except NOT_JSON:
        return None
    return value if isinstance(value, dict) else None
