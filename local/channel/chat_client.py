"""A Direct Line client for the terminal chat: start, send, upload, and a stream that reconnects with its watermark."""

from __future__ import annotations

import asyncio
import io
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
from typing_extensions import Self

from local.channel.wire import MAX_FILE

RECONNECT_SECONDS = 1.0
Activity = dict[str, Any]


class ChatError(Exception):
    """What the person at the terminal is told; nothing was sent."""


class ChatClient:
    """One user in one conversation. `channel` is the channel's URL, without a path."""

    def __init__(self, channel: str, secret: str, user: str) -> None:
        self.channel = channel.rstrip("/")
        self.user = user
        self.conversation = ""
        self.watermark = ""
        self.connected = True
        self._credential = secret
        self._stream_url = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60, sock_connect=5))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def start(self, conversation: str = "", channel_id: str = "") -> None:
        """A new conversation, or an earlier one from now on."""
        if conversation:
            started = await self._call("GET", f"/conversations/{quote(conversation, safe='')}")
        else:
            body = {"user": {"id": self.user}, **({"channelId": channel_id} if channel_id else {})}
            started = await self._call("POST", "/conversations", json=body)
        self.conversation = started["conversationId"]
        self._stream_url = started["streamUrl"]

    async def post(self, activity: Activity) -> str:
        body = {"type": "message", "from": {"id": self.user}, **activity}
        answer = await self._call("POST", f"{self._path}/activities", json=body)
        return str(answer["id"])

    async def upload(self, path: Path) -> str:
        try:
            data = await asyncio.to_thread(lambda: path.expanduser().read_bytes())
        except OSError as error:
            raise ChatError(f"{path} cannot be read: {error.strerror}.") from error
        if len(data) > MAX_FILE:
            raise ChatError(f"{path} is larger than the channel's limit of {MAX_FILE} bytes.")
        kind = "text/csv" if path.suffix == ".csv" else mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(data), filename=path.name, content_type=kind)
        answer = await self._call("POST", f"{self._path}/upload?userId={quote(self.user, safe='')}", data=form)
        return str(answer["id"])

    async def activities(self) -> AsyncIterator[Activity]:
        """Everything shown in the conversation, for ever; after a broken stream it goes on where it was."""
        while True:
            try:
                async for activity in self._frames():
                    yield activity
            except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError):
                pass
            self.connected = False
            await asyncio.sleep(RECONNECT_SECONDS)
            try:
                query = f"?watermark={quote(self.watermark)}" if self.watermark else "?watermark=0"
                self._stream_url = (await self._call("GET", self._path + query))["streamUrl"]
            except ChatError:
                continue

    async def _frames(self) -> AsyncIterator[Activity]:
        assert self._session
        async with self._session.ws_connect(self._stream_url, heartbeat=20, max_msg_size=0) as stream:
            self.connected = True
            async for message in stream:
                if message.type is not aiohttp.WSMsgType.TEXT or not message.data:
                    continue
                frame = message.json()
                for activity in frame["activities"]:
                    yield activity
                self.watermark = frame.get("watermark") or self.watermark

    @property
    def _path(self) -> str:
        return f"/conversations/{quote(self.conversation, safe='')}"

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        assert self._session
        headers = {"Authorization": f"Bearer {self._credential}"}
        url = f"{self.channel}/v3/directline{path}"
        try:
            async with self._session.request(method, url, headers=headers, **more) as answer:
                body = await answer.json(content_type=None)
                if answer.status < 400:
                    return body
        except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError, ValueError) as error:
            message = f"No channel answers at {self.channel}. Start it with: python3 dev.py up"
            raise ChatError(f"{message} ({error})" if str(error) else message) from error
        reason = body.get("error", {}).get("message") if isinstance(body, dict) else None
        raise ChatError(f"{answer.status}: {reason or 'the channel refused'}")
