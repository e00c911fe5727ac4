"""What stands before every call of the bot: token, limits, faults; and after it: the account, the wire log."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from aiohttp import web

from local.channel.account import DROPPED
from local.channel.context import CHANNEL, Channel, Handler
from local.channel.errors import ChannelError
from local.channel.faults import Fault
from local.channel.wire import BODY, MAX_FILE, error_answer, now, read_body
from local.channel.wire_log import Outcome

SEND: web.RequestKey[int] = web.RequestKey("send", int)
LONGEST_BODY = 3 * MAX_FILE
COUNTED = ("send", "create")


class DroppedError(ConnectionError):
    """The connection was cut on purpose."""


def faulty(operation: str, handler: Handler) -> Handler:
    """A handler that the channel's faults may strike."""

    async def struck(request: web.Request) -> web.StreamResponse:
        conversation = request.match_info.get("conversation", "")
        return await _struck(request, request.app[CHANNEL].faults.choose(operation, conversation), handler)

    return struck


def supervised(operation: str, handler: Handler) -> Handler:
    """A handler of the connector. Operations: send, update, delete, create, read."""

    async def call(request: web.Request) -> web.StreamResponse:
        channel = request.app[CHANNEL]
        started = time.monotonic()
        conversation = request.match_info.get("conversation", "")
        fault = None
        status, answer = DROPPED, None
        try:
            if channel.authority:
                channel.authority.require_bot(request.headers.get("Authorization"))
            body = await read_body(request, LONGEST_BODY, "The body")
            if operation in COUNTED:
                request[SEND] = channel.account.asked(conversation, operation, _object(body), now())
            _check_limits(channel, operation, conversation)
            fault = channel.faults.choose(operation, conversation)
            response = await _struck(request, fault, handler)
            status, answer = response.status, getattr(response, "body", None)
        except ChannelError as error:
            status, answer = error.status, error.body()
            raise
        finally:
            if SEND in request:
                channel.account.answered(request[SEND], status, fault.id if fault else "")
            spent = time.monotonic() - started
            title = f"{request.method} {request.path}"
            note = f"fault {fault.id}" if fault else ""
            sent = request.get(BODY, b"")
            outcome = Outcome(max(status, 0), spent, answer, note)
            channel.wire_log.record("from-bot", title, conversation, sent, outcome)
        return response

    return call


def _check_limits(channel: Channel, operation: str, conversation: str) -> None:
    if channel.limits.enabled:
        known = channel.store.conversation(conversation) if conversation else None
        channel.limits.check(operation, conversation, known.tenant_id if known else "")


async def _struck(request: web.Request, fault: Fault | None, handler: Handler) -> web.StreamResponse:
    if fault is None:
        return await handler(request)
    if fault.taken:
        await handler(request)
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        if request.transport:
            request.transport.abort()
        raise DroppedError("the connection was dropped by a fault")
    if fault.status:
        return _answer(fault)
    return await handler(request)


def _answer(fault: Fault) -> web.StreamResponse:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    if fault.html:
        page = f"<html><body><h1>{fault.status} {fault.message or 'Bad Gateway'}</h1></body></html>"
        return web.Response(text=page, status=fault.status, content_type="text/html", headers=headers)
    return error_answer(ChannelError(fault.status, fault.code or "ServiceError", fault.message, headers))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
