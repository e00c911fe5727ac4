"""The WebSocket stream: a cursor over the log, so that it replays, never skips and never reorders."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from local.channel.context import CHANNEL, Channel
from local.channel.directline import BASE, watermark
from local.channel.errors import unauthorized
from local.channel.store import Activity
from local.channel.transcript import Listener

logger = logging.getLogger("local.channel")
BATCH = 100
PING_SECONDS = 30.0
STREAMS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("streams")


async def stream(request: web.Request) -> web.StreamResponse:
    """Text frames `{activities, watermark}`; what the client sends is ignored (DirectLineJS keeps alive by "")."""
    channel = request.app[CHANNEL]
    conversation_id = request.match_info["conversation"]
    token = request.query.get("t")
    if token:
        channel.tokens.check_stream(token, conversation_id)
    else:
        header = request.headers.get("Authorization")
        if not header:
            raise unauthorized("Open the streamUrl that POST or GET of the conversation answers with.")
        channel.tokens.authorize(header).check(conversation_id)
    conversation = channel.conversation(conversation_id)
    given = request.query.get("watermark", "")
    position = watermark(given) if given else conversation.last_position
    socket = web.WebSocketResponse(heartbeat=PING_SECONDS)
    await socket.prepare(request)
    request.app[STREAMS].add(socket)
    try:
        await _serve(channel, conversation_id, position, socket)
    finally:
        request.app[STREAMS].discard(socket)
    return socket


async def _serve(channel: Channel, conversation_id: str, position: int, socket: web.WebSocketResponse) -> None:
    with channel.transcript.listening(conversation_id) as listener:
        sender = asyncio.ensure_future(_pump(channel, conversation_id, position, socket, listener))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender


async def _pump(
    channel: Channel, conversation_id: str, position: int, socket: web.WebSocketResponse, listener: Listener
) -> None:
    """Send until the client leaves; a stream that cannot go on is closed, so that its client reconnects."""
    try:
        await _send(channel, conversation_id, position, socket, listener)
    except ConnectionError:
        return
    except Exception:
        logger.exception("the stream of %s failed", conversation_id)
        await socket.close(code=WSCloseCode.INTERNAL_ERROR)


async def _send(
    channel: Channel, conversation_id: str, position: int, socket: web.WebSocketResponse, listener: Listener
) -> None:
    while not socket.closed:
        listener.woken.clear()
        more = True
        while more:
            rows = channel.store.after(conversation_id, position, BATCH)
            if rows:
                position = rows[-1][0]
                await socket.send_str(_frame([activity for _, activity in rows], position))
            more = len(rows) == BATCH
        while listener.whispers:
            await socket.send_str(_frame([listener.whispers.popleft()], position))
        await listener.woken.wait()


def _frame(activities: list[Activity], position: int) -> str:
    return msgspec.json.encode({"activities": activities, "watermark": str(position)}).decode()


async def close_streams(app: web.Application) -> None:
    """Tell every client that the channel goes, so that it reconnects."""
    streams = app[STREAMS]
    for socket in tuple(streams):
        await socket.close(code=1001, message=b"the channel is stopping")


def routes() -> list[web.RouteDef]:
    return [web.get(BASE + "/conversations/{conversation}/stream", stream, allow_head=False)]
