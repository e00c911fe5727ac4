"""The Web Chat page at `/`: its files, its Content-Security-Policy, and the tokens that it chats with."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from local.channel import outbox
from local.channel.context import CHANNEL, Channel
from local.channel.errors import ChannelError, bad_argument
from local.channel.identity import DEFAULT_TENANT
from local.channel.people import aad_object_id
from local.channel.same_origin import guard
from local.channel.store import DIRECT_LINE, TEAMS, new_conversation_id
from local.channel.striking import faulty
from local.channel.tokens import Access
from local.channel.webchat import FILE
from local.channel.wire import json_answer, read_object, text_field

SOURCES = Path(__file__).parents[2] / "web" / "chat"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Web Chat adds a style element that is empty when it is checked.
EMPTY_STYLE = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
PAGE_USER = "dl_you"


async def index(request: web.Request) -> web.Response:
    channel = request.app[CHANNEL]
    nonce = secrets.token_urlsafe(18)
    bundle = _bundle(channel)
    settings = {
        "webchat": bundle.is_file(),
        "fetch": f"python3 -m local.channel.webchat fetch --into {bundle.parent}",
        "bot": channel.options.bot,
        "channels": [DIRECT_LINE, TEAMS],
        "user": PAGE_USER,
        "nonce": nonce,
    }
    # Inside a script element, "<" would end it.
    text = msgspec.json.encode(settings).decode().replace("<", "\\u003c")
    html = (SOURCES / "index.html").read_text("utf-8").replace("%NONCE%", nonce).replace("%SETTINGS%", text)
    headers = {
        "Content-Security-Policy": _policy(request, nonce),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return web.Response(text=html, content_type="text/html", charset="utf-8", headers=headers)


def _policy(request: web.Request, nonce: str) -> str:
    public = request.app[CHANNEL].options.public_url
    origin = f"{urlsplit(public).scheme}://{urlsplit(public).netloc}"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}' '{EMPTY_STYLE}'",
            f"img-src 'self' data: blob: {origin}",
            f"media-src 'self' data: blob: {origin}",
            "font-src 'self' data:",
            f"connect-src 'self' blob: ws://{request.host} wss://{request.host} {origin}",
            "worker-src blob:",
            "frame-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


async def source(request: web.Request) -> web.Response:
    """One of the page's own files, by its plain name."""
    path = SOURCES / request.match_info["name"]
    kind = TYPES.get(path.suffix)
    if kind is None or path.parent != SOURCES or not path.is_file():
        raise ChannelError(404, "NotFound", f"The page has no file {request.match_info['name']!r}.")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=path.read_text("utf-8"), content_type=kind, charset="utf-8", headers=headers)


async def bundle_file(request: web.Request) -> web.StreamResponse:
    path = _bundle(request.app[CHANNEL])
    if not path.is_file():
        raise ChannelError(
            404, "NotFound", "Web Chat is not fetched yet: see `python3 -m local.channel.webchat --help`."
        )
    return web.FileResponse(path, headers={"Content-Type": "text/javascript", "Cache-Control": "no-cache"})


def _bundle(channel: Channel) -> Path:
    return (channel.options.webchat or channel.options.state / "webchat") / FILE


async def page_token(request: web.Request) -> web.StreamResponse:
    """A token for the page: of the conversation that it names if that is still here, else of a new one."""
    guard(request)
    return await faulty("token", _granted)(request)


async def _granted(request: web.Request) -> web.Response:
    channel = request.app[CHANNEL]
    body = await read_object(request, "The page's request", optional=True)
    user = text_field(body, "user") or PAGE_USER
    channel_id = text_field(body, "channelId") or DIRECT_LINE
    if channel_id not in (DIRECT_LINE, TEAMS):
        raise bad_argument(f"channelId must be {DIRECT_LINE!r} or {TEAMS!r}.")
    wanted = text_field(body, "conversationId")
    known = channel.store.conversation(wanted) if wanted else None
    if known and (known.channel_id != channel_id or (known.user_id != user and not known.is_group)):
        known = None
    if known is None and channel_id == TEAMS and body.get("fresh") is not True:
        # The bot may have made it, to write first, and by the person's object id.
        member = channel.store.person(DEFAULT_TENANT, user, aad_object_id(user))
        user = member.id if member else user
        known = channel.store.conversation_with(TEAMS, DEFAULT_TENANT, user)
    conversation_id = known.id if known else new_conversation_id()
    access = Access(conversation_id, user, text_field(body, "name"), channel_id)
    data = {"conversationId": conversation_id, "token": channel.tokens.mint(access), "known": known is not None}
    return json_answer(data)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/", index),
        web.get("/page/webchat.js", bundle_file),
        *outbox.routes(),
        web.get("/page/{name}", source),
        web.post("/page/token", page_token),
    ]
