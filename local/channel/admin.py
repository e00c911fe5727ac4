"""The admin routes: faults, limits, the account, the wire, key rotation. For this machine's own tools and page."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from aiohttp import web

from local.channel.errors import ChannelError, bad_argument
from local.channel.faults import PRESETS
from local.channel.page import guard
from local.channel.wire import json_answer, read_object


async def list_faults(request: web.Request) -> web.Response:
    return json_answer({"faults": guard(request).faults.rules, "presets": PRESETS})


async def add_fault(request: web.Request) -> web.Response:
    channel = guard(request)
    return json_answer(channel.faults.add(await read_object(request, "The fault")), 201)


async def remove_faults(request: web.Request) -> web.Response:
    return json_answer({"removed": guard(request).faults.remove()})


async def remove_fault(request: web.Request) -> web.Response:
    removed = guard(request).faults.remove(request.match_info["fault"])
    if not removed:
        raise ChannelError(404, "NotFound", "There is no such fault.")
    return json_answer({"removed": removed})


async def get_limits(request: web.Request) -> web.Response:
    return json_answer({"enabled": guard(request).limits.enabled})


async def set_limits(request: web.Request) -> web.Response:
    channel = guard(request)
    enabled = (await read_object(request, "The limits")).get("enabled")
    if not isinstance(enabled, bool):
        raise bad_argument("'enabled' must be true or false.")
    channel.limits.enabled = enabled
    channel.limits.forget()
    return json_answer({"enabled": enabled})


async def get_account(request: web.Request) -> web.Response:
    return json_answer(guard(request).account.totals(request.query.get("conversation", "")))


async def get_duplicates(request: web.Request) -> web.Response:
    return json_answer({"duplicates": guard(request).account.duplicates()})


async def get_undelivered(request: web.Request) -> web.Response:
    return json_answer({"undelivered": guard(request).account.undelivered()})


async def reset_account(request: web.Request) -> web.Response:
    guard(request).account.reset()
    return json_answer({})


async def get_wire(request: web.Request) -> web.Response:
    after = request.query.get("after", "0")
    return json_answer({"entries": guard(request).wire_log.after(int(after) if after.isdecimal() else 0)})


async def follow_wire(request: web.Request) -> web.StreamResponse:
    """Server-sent events, one a message; reconnects go on after Last-Event-ID."""
    channel = guard(request)
    last = request.headers.get("Last-Event-ID", "0")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    # Ids restart with the channel: an id from before would hide all that is new.
    known = int(last) if last.isdecimal() else 0
    after = known if known <= channel.wire_log.newest else 0
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
        web.delete("/admin/faults/{fault}", remove_fault),
        web.get("/admin/limits", get_limits),
        web.put("/admin/limits", set_limits),
        web.get("/admin/account", get_account),
        web.delete("/admin/account", reset_account),
        web.get("/admin/account/duplicates", get_duplicates),
        web.get("/admin/account/undelivered", get_undelivered),
        web.get("/admin/wire", get_wire),
        web.get("/admin/wire/stream", follow_wire),
        web.post("/admin/auth/rotate", rotate_key),
    ]
