"""POSTs to the bot: one session, 15 seconds a turn, every failure as the error that the client is answered with."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from local.channel.errors import BotRepliesError, BotUnreachableError, ChannelError, bot_error, bot_timeout
from local.channel.properties import checked
from local.channel.store import Activity
from local.channel.wire import NOT_JSON, json_value
from local.channel.wire_log import Outcome, WireLog

TURN_SECONDS = 15.0
# More wait their turn, within their 15 seconds: a bot that falls behind is not buried under connections as well.
CONCURRENT_TURNS = 256
ANSWER_LIMIT = 4 * 1024 * 1024
EXCERPT = 300


@dataclass
class Heard:
    """What an HTTP exchange brought, as far as it came."""

    status: int = 0
    content_type: str = ""
    body: bytearray = field(default_factory=bytearray)

    @property
    def excerpt(self) -> str:
        return self.body[:EXCERPT].decode("utf-8", "replace").strip()


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

    async def post(self, activity: Activity, seconds: float = TURN_SECONDS) -> list[Activity]:
        """The replies that the bot's answer holds, with deliveryMode expectReplies; raises 502 BotError or 504."""
        started = time.monotonic()
        heard, status, note = Heard(), 200, ""
        try:
            await self._within(activity, seconds, heard)
            return understood(heard, replies_expected=activity.get("deliveryMode") == "expectReplies")
        except ChannelError as error:
            status, note = error.status, error.message
            raise
        finally:
            outcome = Outcome(status, time.monotonic() - started, bytes(heard.body), note)
            self._wire_log.record("to-bot", activity["type"], activity["conversation"]["id"], activity, outcome)

    async def _within(self, activity: Activity, seconds: float, heard: Heard) -> None:
        try:
            await self._post(activity, max(seconds, 0.001), heard)
        except asyncio.TimeoutError:
            raise bot_timeout(TURN_SECONDS) from None
        except aiohttp.ClientConnectorError as error:
            raise BotUnreachableError(f"no bot answers at {self.endpoint} ({error.strerror or error}).") from error
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:
            reason = str(error).strip() or type(error).__name__
            raise bot_error(f"the bot at {self.endpoint} broke the HTTP exchange ({reason}).") from error

    async def _post(self, activity: Activity, seconds: float, heard: Heard) -> None:
        # From its threshold on aiohttp rounds a limit up to whole seconds.
        limit = aiohttp.ClientTimeout(total=seconds, ceil_threshold=2 * seconds)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "x-ms-conversation-id": activity["conversation"]["id"],
        }
        if self._authorization:
            headers["Authorization"] = self._authorization(activity["serviceUrl"])
        body = io.BytesIO(msgspec.json.encode(activity))
        exchange = self._open().post(self.endpoint, data=body, headers=headers, allow_redirects=False, timeout=limit)
        async with exchange as answer:
            await _read(answer, heard)

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


async def _read(answer: aiohttp.ClientResponse, heard: Heard) -> None:
    heard.status, heard.content_type = answer.status, answer.content_type
    async for chunk in answer.content.iter_any():
        heard.body += chunk
        if len(heard.body) > ANSWER_LIMIT:
            raise bot_error(f"the bot's answer is larger than {ANSWER_LIMIT} bytes.")


def understood(heard: Heard, *, replies_expected: bool) -> list[Activity]:
    """The replies in a bot's answer. Text of no promised form is ignored, as the Bot Service does; garbage is 502."""
    _require_success(heard)
    if not heard.body.strip():
        return []
    try:
        answer = json_value(heard.body)
    except NOT_JSON as error:
        if "html" in heard.content_type:
            raise bot_error(f"HTTP {heard.status} with a page of HTML: is that the bot's messages URL?") from None
        if "json" in heard.content_type or replies_expected:
            what = f"the bot answered HTTP {heard.status} with what is not JSON ({error}): {heard.excerpt}"
            raise bot_error(what) from None
        return []
    return _replies(answer) if replies_expected else []


def _require_success(heard: Heard) -> None:
    if not 200 <= heard.status < 300:
        raise bot_error(f"the bot answered HTTP {heard.status}" + (f": {heard.excerpt}" if heard.excerpt else "."))


def _replies(answer: Any) -> list[Activity]:
    if not isinstance(answer, dict):
        raise bot_error("the bot's answer is not an object with the 'activities' that deliveryMode asked for.")
    replies = answer.get("activities") or []
    if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
        raise BotRepliesError("the 'activities' of the bot's answer are not an array of activities.", [None])
    try:
        return [checked(reply) for reply in replies]
    except ChannelError as error:
        raise BotRepliesError(f"an activity in the bot's answer is malformed: {error.message}", replies) from None
