"""The page's Outbox pane: e-mails and text messages of the stand-in that `--outbox` names."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from local.channel.context import Channel
from local.channel.errors import ChannelError
from local.channel.same_origin import guard
from local.channel.wire import NOT_JSON, json_answer, json_value

SHOWN = 200
SECONDS = 5
# Many e-mails with HTML of their own; more is refused instead of held in memory.
LARGEST = 64 * 1024 * 1024
# The frames of a page each ask for one e-mail of the same list.
KEPT_SECONDS = 2.0
# An e-mail does nothing and loads nothing, wherever it is opened.
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Pane:
    """The routes of one channel, with the list that the stand-in gave last."""

    def __init__(self) -> None:
        self._fetching = asyncio.Lock()
        self._kept: list[dict[str, Any]] | None = None

    async def listing(self, request: web.Request) -> web.Response:
        """`{"messages": [{id, kind, to, subject, text, at, html}]}`, newest first; `html` is whether there is some."""
        found = await self._messages(guard(request))
        shown = [{**message, "html": bool(message.get("html"))} for message in found[-SHOWN:][::-1]]
        return json_answer({"messages": shown})

    async def html(self, request: web.Request) -> web.Response:
        """The HTML of one e-mail, where it can do nothing."""
        wanted = request.match_info["id"]
        for message in await self._messages(guard(request)):
            if str(message.get("id")) == wanted and isinstance(message.get("html"), str):
                headers = {"Content-Security-Policy": MAIL_POLICY, "X-Content-Type-Options": "nosniff"}
                return web.Response(text=message["html"], content_type="text/html", charset="utf-8", headers=headers)
        raise ChannelError(404, "NotFound", f"The Outbox has no e-mail {wanted!r}.")

    async def _messages(self, channel: Channel) -> list[dict[str, Any]]:
        url = channel.options.outbox
        if not url:
            advice = "No Outbox is here: start the channel with --outbox URL of the e-mail and SMS stand-in."
            raise ChannelError(404, "NotFound", advice)
        async with self._fetching:
            if self._kept is None:
                data = await _fetch(url)
                messages = data.get("messages") if isinstance(data, dict) else data
                given = messages if isinstance(messages, list) else []
                self._kept = [message for message in given if isinstance(message, dict)]
                asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget)
            return self._kept

    def _forget(self) -> None:
        self._kept = None


async def _fetch(url: str) -> Any:
    """Its JSON; raises 502 (ChannelError)."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if not answer.ok:
                raise ChannelError(502, "BadGateway", f"{url} answered HTTP {answer.status}.")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    raise ChannelError(502, "BadGateway", f"{url} answers with more than {LARGEST} bytes.")
            return await asyncio.to_thread(json_value, body)
    except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError, *NOT_JSON) as error:
        raise ChannelError(502, "BadGateway", f"{url} does not answer with JSON ({error}).") from error


def routes() -> list[web.RouteDef]:
    pane = Pane()
    return [web.get("/page/outbox", pane.listing), web.get("/page/outbox/{id}", pane.html)]
