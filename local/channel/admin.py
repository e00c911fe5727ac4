"""The admin routes: faults, limits, the account, the wire, key rotation. For this machine's own tools and page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from local.channel.account_view import NUMBERS, AccountView
from local.channel.errors import ChannelError, bad_argument
from local.channel.faults import PRESETS
from local.channel.same_origin import guard
from local.channel.stream import drop
from local.channel.wire import json_answer, read_object

LISTED = 100
MOST_LISTED = 1000
T = TypeVar("T")


async def list_faults(request: web.Request) -> web.Response:
    return json_answer({"faults": guard(request).faults.rules, "presets": PRESETS})


async def add_fault(request: web.Request) -> web.Response:
    channel = guard(request)
    return json_answer(channel.faults.demand(await read_object(request, "The fault")), 201)


async def change_fault(request: web.Request) -> web.Response:
    """Another rule in the place of one, under its id."""
    rules, asked = guard(request).faults, await read_object(request, "The fault")
    return json_answer(_existing(rules.exchange(request.match_info["fault"], asked)))


async def remove_faults(request: web.Request) -> web.Response:
    return json_answer({"removed": guard(request).faults.remove()})


async def remove_fault(request: web.Request) -> web.Response:
    return json_answer({"removed": _existing(guard(request).faults.remove(request.match_info["fault"]))})


def _existing(found: T | None) -> T:
    if not found:
        raise ChannelError(404, "NotFound", "There is no such fault.")
    return found


async def get_limits(request: web.Request) -> web.Response:
    return json_answer(guard(request).limits.view())


async def set_limits(request: web.Request) -> web.Response:
    limits = guard(request).limits
    limits.change(await read_object(request, "The limits"))
    return json_answer(limits.view())


async def get_account(request: web.Request) -> web.Response:
    """The numbers, or with `?list=` what one of them counts; of one conversation with `?conversation=`."""
    database, query = guard(request).database, request.query
    name = query.get("list")
    after, limit = _number(query, "after", 0), _number(query, "limit", LISTED)
    if not 1 <= limit <= MOST_LISTED:
        raise bad_argument(f"'limit' must be from 1 to {MOST_LISTED}.")
    if name not in (None, *NUMBERS):
        raise bad_argument(f"'list' must be one of: {', '.join(NUMBERS)}.")

    def read() -> dict[str, Any]:
        with database.beside() as connection:
            view = AccountView(connection, query.get("conversation", ""))
            if name is None:
                return view.totals()
            found = view.entries(name, after, limit)
            return {"list": name, "entries": found, "next": found[-1]["seq"] if len(found) == limit else None}

    return json_answer(await asyncio.to_thread(read))


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise bad_argument(f"{name!r} must be a whole number.")
    return int(text)


async def reset_account(request: web.Request) -> web.Response:
    guard(request).account.reset(request.query.get("conversation", ""))
    return json_answer({})


async def drop_streams(request: web.Request) -> web.Response:
    """Cut open WebSockets, as a network does: all, or those of `?conversation=` or `?user=`."""
    guard(request)
    dropped = drop(request.app, request.query.get("conversation", ""), request.query.get("user", ""))
    return json_answer({"dropped": dropped})


async def get_wire(request: web.Request) -> web.Response:
    wire_log = guard(request).wire_log
    return json_answer({"entries": wire_log.after(_number(request.query, "after", 0))})


async def follow_wire(request: web.Request) -> web.StreamResponse:
    """Server-sent events, one a message; reconnects go on after Last-Event-ID, else after `?after=`."""
    channel = guard(request)
    # Ids begin with the clock: one from before it was set back would hide all that is new.
    last = _number(request.headers, "Last-Event-ID", _number(request.query, "after", 0))
    after = last if last <= channel.wire_log.newest else 0
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with suppress(ConnectionError):  # the page was closed
        async for entries in channel.wire_log.follow(after):
            if not entries:
                await response.write(b": still here\n\n")
            for entry in entries:
                await response.write(b"id: %d\ndata: %b\n\n" % (entry["id"], msgspec.json.encode(entry)))
    return response


async def rotate_key(request: web.Request) -> web.Response:
    authority = guard(request).authority
    if authority is None:
        raise ChannelError(409, "BadArgument", "The channel signs nothing: start it with --auth.")
    return json_answer({"kid": authority.rotate()})


def routes() -> list[web.RouteDef]:
    return [
        web.get("/admin/faults", list_faults),
        web.post("/admin/faults", add_fault),
        web.delete("/admin/faults", remove_faults),
        web.put("/admin/faults/{fault}", change_fault),
        web.delete("/admin/faults/{fault}", remove_fault),
        web.get("/admin/limits", get_limits),
        web.put("/admin/limits", set_limits),
        web.get("/admin/account", get_account),
        web.delete("/admin/account", reset_account),
        web.delete("/admin/streams", drop_streams),
        web.get("/admin/wire", get_wire),
        web.get("/admin/wire/stream", follow_wire),
        web.post("/admin/auth/rotate", rotate_key),
    ]
