"""The page of one operation, behind a signed link: what a chat user gets instead of a URL with a system key."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from bot_http.problem import answer, answers_problems
from ringback.operations.catalogue import title
from ringback.operations.desk import OperationsDesk
from ringback.operations.engine import DurableClientEngine
from ringback.operations.tokens import read_page_token
from ringback.settings import settings
from ringback.tables.operations import OperationTable
from ringback.tables.service import tables

bp = df.Blueprint()


@lru_cache(maxsize=1)
def _template() -> str:
    return Path(__file__).with_name("operation_page.html").read_text("utf-8")


@bp.route(route="o/{token}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers_problems
async def operation_page(req: func.HttpRequest) -> func.HttpResponse:
    """The page; it asks for the state by itself. 403 for a link that was not given out."""
    read_page_token(settings().signing_key, req.route_params["token"])
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
    headers = {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(_template().replace("NONCE", nonce), mimetype="text/html", headers=headers)


@bp.route(route="o/{token}/state", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@bp.durable_client_input(client_name="client")
@answers_problems
async def operation_page_state(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """What the page shows: title, state, percent, text."""
    identity = read_page_token(settings().signing_key, req.route_params["token"])
    view = await OperationsDesk(OperationTable(tables()), DurableClientEngine(client)).view(identity)
    body = {
        "title": title(view.row.operation),
        "label": view.row.label,
        "state": view.state,
        "percent": view.percent,
        "text": view.text,
        "open": view.row.is_open,
        "createdAt": view.row.created_at,
        "endedAt": view.row.ended_at,
    }
    return answer(body, headers={"Cache-Control": "no-store"})
