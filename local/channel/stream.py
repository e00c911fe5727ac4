"""The WebSocket stream: a cursor over the log, so that it replays, never skips and never reorders."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from local.channel.context import CHANNEL, Channel
from local.channel.directline import BASE, start_position
from local.channel.errors import bad_argument, unauthorized
from local.channel.store import Activity
from local.channel.striking import DroppedError, faulty
from local.channel.transcript import Listener

logger = logging.getLogger("local.channel")
BATCH = 100
PING_SECONDS = 30.0


@dataclass(eq=False)
class Stream:
    """An open WebSocket of a client; `position` is the newest watermark that it was sent."""

    channel: Channel
    conversation: str
    position: int
    request: web.Request
    socket: web.WebSocketResponse

    @property
    def user(self) -> str:
        known = self.channel.store.conversation(self.conversation)
        return known.user_id if known else ""

    def abort(self) -> None:
        """Cut the connection without a word, as a network does."""
        if self.request.transport:
            self.request.transport.abort()

    async def send(self, activities: list[Activity], position: int) -> None:
        """A frame; raises DroppedError when a fault cuts the connection before it, or after it with `taken`."""
        frame = msgspec.json.encode({"activities": activities, "watermark": str(position)}).decode()
        faults = self.channel.faults
        fault = faults.choose("frame", self.conversation, (self.user,)) if faults.rules else None
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        if not fault or not fault.drop or fault.taken:
            await self.socket.send_str(frame)
        if fault and fault.twice:
            await self.socket.send_str(frame)
        if fault and fault.drop:
            self.abort()
            raise DroppedError("the stream was dropped by a fault")
        self.position = position


STREAMS: web.AppKey[set[Stream]] = web.AppKey("streams")


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
    socket = web.WebSocketResponse(heartbeat=PING_SECONDS)
    if not socket.can_prepare(request):
        raise bad_argument("This URL is a stream: open it as a WebSocket.")
    opened = Stream(channel, conversation_id, start_position(request, conversation), request, socket)
    await opened.socket.prepare(request)
    request.app[STREAMS].add(opened)
    try:
        await _serve(opened)
    finally:
        request.app[STREAMS].discard(opened)
    return opened.socket


async def _serve(opened: Stream) -> None:
    with opened.channel.transcript.listening(opened.conversation) as listener:
        sender = asyncio.ensure_future(_pump(opened, listener))
        try:
            async for message in opened.socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender


async def _pump(opened: Stream, listener: Listener) -> None:
    """Send until the client leaves; a stream that cannot go on is closed, so that its client reconnects."""
    try:
        await _send(opened, listener)
    except ConnectionError:
        return
    except Exception:
        logger.exception("the stream of %s failed", opened.conversation)
        await opened.socket.close(code=WSCloseCode.INTERNAL_ERROR)


async def _send(opened: Stream, listener: Listener) -> None:
    while not opened.socket.closed:
        listener.woken.clear()
        while rows := opened.channel.store.after(opened.conversation, opened.position, BATCH):
            await opened.send([activity for _, activity in rows], rows[-1][0])
        while listener.whispers:
            await opened.send([listener.whispers.popleft()], opened.position)
        await listener.woken.wait()


def drop(app: web.Application, conversation: str = "", user: str = "") -> int:
    """Cut the open streams of a conversation or a user, or all; returns how many there were."""
    streams: set[Stream] = app[STREAMS]
    chosen = [each for each in streams if conversation in ("", each.conversation) and (not user or user == each.user)]
    for each in chosen:
        each.abort()
    return len(chosen)


async def close_streams(app: web.Application) -> None:
    """Tell every client that the channel goes, so that it reconnects."""
    streams: set[Stream] = app[STREAMS]
    for opened in tuple(streams):
        await opened.socket.close(code=1001, message=b"the channel is stopping")


def routes() -> list[web.RouteDef]:
    return [web.get(BASE + "/conversations/{conversation}/stream", faulty("stream", stream), allow_head=False)]
