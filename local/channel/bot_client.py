"""POSTs to the bot: one session, 15 seconds a turn, every failure as the error that the client is answered with."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from local.channel.errors import BotUnreachableError, ChannelError, bot_error, bot_timeout
from local.channel.wire_log import Outcome, WireLog

TURN_SECONDS = 15.0
# More wait their turn, within their 15 seconds: a bot that falls behind is not buried under connections as well.
CONCURRENT_TURNS = 256
ANSWER_LIMIT = 4 * 1024 * 1024


class BotClient:
    """`endpoint` is the bot's messages URL; `authorization` makes the header of a call, given its serviceUrl."""

    def __init__(self, endpoint: str, wire_log: WireLog, authorization: Callable[[str], str] | None = None) -> None:
        self.endpoint = endpoint
        self._wire_log = wire_log
        self._authorization = authorization
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def post(self, activity: dict[str, Any], seconds: float = TURN_SECONDS) -> Any:
        """The bot's JSON answer, None when it is empty; raises 502 BotError or 504 (ChannelError)."""
        started = time.monotonic()
        status, answer, note = 200, None, ""
        try:
            answer = await self._within(activity, seconds)
        except ChannelError as error:
            status, note = error.status, error.message
            raise
        finally:
            outcome = Outcome(status, time.monotonic() - started, answer, note)
            self._wire_log.record("to-bot", activity["type"], activity["conversation"]["id"], activity, outcome)
        return answer

    async def fetch(self, url: str) -> Any:
        """JSON of another stand-in on this machine; raises 502 (ChannelError)."""
        try:
            async with self._open().get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return _parse(answer, await _read(answer))
        except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError) as error:
            raise ChannelError(502, "BadGateway", f"{url} does not answer ({error}).") from error

    async def _within(self, activity: dict[str, Any], seconds: float) -> Any:
        try:
            return await asyncio.wait_for(self._post(activity), max(seconds, 0.001))
        except asyncio.TimeoutError:
            raise bot_timeout(TURN_SECONDS) from None
        except aiohttp.ClientConnectorError as error:
            raise BotUnreachableError(f"no bot answers at {self.endpoint} ({error.strerror or error}).") from error
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:
            reason = str(error).strip() or type(error).__name__
            raise bot_error(f"the bot at {self.endpoint} broke the HTTP exchange ({reason}).") from error

    async def _post(self, activity: dict[str, Any]) -> Any:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "x-ms-conversation-id": activity["conversation"]["id"],
        }
        if self._authorization:
            headers["Authorization"] = self._authorization(activity["serviceUrl"])
        body = io.BytesIO(msgspec.json.encode(activity))
        async with self._open().post(self.endpoint, data=body, headers=headers, allow_redirects=False) as answer:
            text = await _read(answer)
            return _parse(answer, text)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONCURRENT_TURNS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=TURN_SECONDS),
                headers={"User-Agent": "Microsoft-BotFramework/3.1 (local channel)"},
                auto_decompress=True,
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise bot_error(f"the bot's answer is larger than {ANSWER_LIMIT} bytes.")
    return bytes(body)


def _parse(answer: aiohttp.ClientResponse, body: bytes) -> Any:
    if not 200 <= answer.status < 300:
        raise _refused(answer.status, body)
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if "html" in answer.content_type:
            raise bot_error(f"HTTP {answer.status} with a page of HTML: is that the bot's messages URL?") from None
        return None


def _refused(status: int, body: bytes) -> ChannelError:
    excerpt = body[:300].decode("utf-8", "replace").strip()
    return bot_error(f"the bot answered HTTP {status}" + (f": {excerpt}" if excerpt else "."))
