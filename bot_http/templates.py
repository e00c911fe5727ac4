"""Message templates: list, read, store, delete, and preview, for anybody with the function key."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from bot_http.bodies import decode
from bot_http.problem import answer, answers_problems
from ringback.channels import message_size
from ringback.tables.service import tables
from ringback.templates.library import Stored, Templates
from ringback.templates.model import CHAT, KINDS
from ringback.templates.rendering import Renderer

bp = df.Blueprint()


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /api/templates/{name}/preview; `data` left out stands for an example made from the schema."""

    data: dict[str, Any] | None = None
    locale: str | None = None
    channel: str = CHAT


@bp.route(route="templates", methods=["GET"])
@answers_problems
async def list_templates(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the binding's
    """Name, description and version of each; version 0 comes with the app."""
    entries = [
        {
            "name": entry.name,
            "description": entry.description,
            "version": entry.version,
            "builtin": entry.version == 0,
            "updatedAt": entry.updated_at,
        }
        for entry in await _templates().listed()
    ]
    return answer({"templates": entries, "channels": KINDS})


@bp.route(route="templates/{name}", methods=["GET"])
@answers_problems
async def get_template(req: func.HttpRequest) -> func.HttpResponse:
    """The whole template, with its ETag; 304 when If-None-Match names that."""
    found = await _templates().get(req.route_params["name"])
    known = [tag.strip() for tag in req.headers.get("If-None-Match", "").split(",")]
    if found.etag in known:
        return func.HttpResponse(status_code=304, headers={"ETag": found.etag})
    return answer(_body(found), headers={"ETag": found.etag})


@bp.route(route="templates/{name}", methods=["PUT"])
@answers_problems
async def put_template(req: func.HttpRequest) -> func.HttpResponse:
    """201 for a new one, 200 for a changed one, with warnings; 412 when If-Match or If-None-Match does not hold."""
    name = req.route_params["name"]
    stored, created, checked = await _templates().put(
        name, req.get_body(), if_match=req.headers.get("If-Match"), if_none_match=req.headers.get("If-None-Match")
    )
    body = {**_body(stored), "warnings": checked.warnings, "example": checked.example}
    headers = {"ETag": stored.etag, "Location": f"/api/templates/{name}"}
    return answer(body, 201 if created else 200, headers)


@bp.route(route="templates/{name}", methods=["DELETE"])
@answers_problems
async def delete_template(req: func.HttpRequest) -> func.HttpResponse:
    """204; one of the app's own of that name comes back. 412 when If-Match does not hold."""
    await _templates().delete(req.route_params["name"], if_match=req.headers.get("If-Match"))
    return func.HttpResponse(status_code=204)


@bp.route(route="templates/{name}/preview", methods=["POST"])
@answers_problems
async def preview_template(req: func.HttpRequest) -> func.HttpResponse:
    """What a reader would get, with its sizes and warnings; nothing is sent."""
    wanted = decode(req.get_body() or b"{}", PreviewRequest, '{"data"?, "locale"?, "channel"?}')
    found = await _templates().get(req.route_params["name"])
    renderer = Renderer(found.template)
    data = _example(renderer) if wanted.data is None else wanted.data
    message = renderer.render(data, wanted.locale, wanted.channel)
    body = {
        "name": found.template.name,
        "version": found.version,
        "locale": message.locale,
        "variant": message.kind,
        "channel": wanted.channel,
        "data": data,
        "text": message.text,
        "card": message.card,
        "subject": message.subject,
        "html": message.html,
        "fallbackText": message.fallback_text,
        "sizes": {
            "card": message.card_bytes,
            "message": message.message_bytes,
            "messageLimit": message_size.LARGEST,
        },
        "warnings": message.warnings,
    }
    if wanted.channel == CHAT:
        body["activity"] = message.activity()
    return answer(body)


def _templates() -> Templates:
    return Templates(tables())


def _body(found: Stored) -> dict[str, Any]:
    state = {"version": found.version, "builtin": found.is_builtin, "updatedAt": found.updated_at}
    return {**msgspec.to_builtins(found.template), **state}


def _example(renderer: Renderer) -> dict[str, Any]:
    from ringback.templates.samples import samples  # noqa: PLC0415  only previews without data make any up

    return samples(renderer.schema)[0]
