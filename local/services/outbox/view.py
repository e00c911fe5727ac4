"""What people and tests see and change: messages, faults, refusals; JSON, and one page."""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape
from typing import Any

from aiohttp import web

from local.services.outbox.faults import FaultError
from local.services.outbox.wire import FAULTS, STORE, answer, decoded, refused

MOST_SHOWN = 5000
ON_THE_PAGE = 100
# No page of the outbox runs scripts or loads anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }
body { overflow-wrap: anywhere; }
article { border: 1px solid #8886; border-radius: 8px; margin: 1rem 0; padding: .8rem 1rem; }
h2 { font-size: 1rem; margin: 0; } small { opacity: .7; } pre { font: inherit; white-space: pre-wrap; }
iframe { border: 1px solid #8886; height: 16rem; width: 100%; } :root { color-scheme: light dark; }
"""


async def messages(request: web.Request) -> web.Response:
    """`?to=&kind=&since=&after=&limit=`: `since` is an ISO 8601 time, `after` a message's number."""
    query = request.query
    shown = request.app[STORE].messages(
        to=query.get("to", ""),
        kind=query.get("kind", ""),
        since=_time(query.get("since", "")),
        after=_number(query.get("after", "0"), "after"),
        limit=min(_number(query.get("limit", "500"), "limit"), MOST_SHOWN),
    )
    return answer({"messages": shown})


async def clear(request: web.Request) -> web.Response:
    return answer({"removed": request.app[STORE].clear()})


async def message_html(request: web.Request) -> web.Response:
    """An e-mail's HTML, where it can do nothing."""
    found = request.app[STORE].html(_number(request.match_info["number"], "number"))
    if found is None:
        raise refused(404, "NotFound", "There is no such message.")
    headers = {"Content-Security-Policy": f"sandbox; {POLICY}"}
    return web.Response(text=found, content_type="text/html", headers=headers)


async def page(request: web.Request) -> web.Response:
    found = request.app[STORE].messages(limit=ON_THE_PAGE + 1)[::-1]
    body = "".join(map(_article, found[:ON_THE_PAGE])) or "<p>No e-mail and no text message was sent yet.</p>"
    if len(found) > ON_THE_PAGE:
        body += f'<p>The newest {ON_THE_PAGE}. <a href="/outbox?limit={MOST_SHOWN}">All of them as JSON</a></p>'
    metas = '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">'
    head = f'<meta charset="utf-8">{metas}<title>Outbox</title><style>{STYLE}</style>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>Outbox</h1>{body}</body></html>'
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})


async def list_faults(request: web.Request) -> web.Response:
    return answer({"faults": request.app[FAULTS].rules})


async def add_fault(request: web.Request) -> web.Response:
    try:
        return answer(request.app[FAULTS].demand(decoded(await request.read(), dict[str, Any])), 201)
    except FaultError as error:
        raise refused(400, "BadArgument", str(error)) from error


async def remove_faults(request: web.Request) -> web.Response:
    return answer({"removed": request.app[FAULTS].remove(request.match_info.get("id", ""))})


async def list_refusals(request: web.Request) -> web.Response:
    return answer({"refusals": request.app[STORE].refusals()})


async def set_refusal(request: web.Request) -> web.Response:
    """PUT: this person opted out, or their mailbox takes nothing; DELETE: no more."""
    request.app[STORE].set_refusal(request.match_info["recipient"], refuses=request.method == "PUT")
    return answer({"refusals": request.app[STORE].refusals()})


async def health(_request: web.Request) -> web.Response:
    return answer({"status": "ok"})


def _article(message: dict[str, Any]) -> str:
    kind = "SMS" if message["kind"] == "sms" else "E-mail"
    told = f"{kind} to {message['to']} from {message['from']} · {message['at']}"
    frame = f'<iframe sandbox src="/outbox/{message["id"]}/html" title="HTML"></iframe>' if message["html"] else ""
    title = f"<h2>{escape(message['subject'])}</h2>" if message["subject"] else ""
    return f"<article>{title}<small>{escape(told)}</small><pre>{escape(message['text'])}</pre>{frame}</article>"


def _time(text: str) -> str:
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise refused(400, "BadArgument", f"since is {text!r}: give an ISO 8601 time.") from error
    known = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return known.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise refused(400, "BadArgument", f"{name} is {text!r}: give a whole number.")
    return int(text)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/", page),
        web.get("/healthz", health),
        web.get("/outbox", messages),
        web.delete("/outbox", clear),
        web.get("/outbox/{number}/html", message_html),
        web.get("/admin/faults", list_faults),
        web.post("/admin/faults", add_fault),
        web.delete("/admin/faults", remove_faults),
        web.delete("/admin/faults/{id}", remove_faults),
        web.get("/admin/refusals", list_refusals),
        web.put("/admin/refusals/{recipient}", set_refusal),
        web.delete("/admin/refusals/{recipient}", set_refusal),
    ]
