"""Operations without a chat: start, look, cancel, for anybody with the function key."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from bot_http.bodies import decode
from bot_http.problem import answer, answers_problems
from ringback import ids
from ringback.errors import NotFoundError, RequestError
from ringback.operations.catalogue import CATALOGUE, find
from ringback.operations.desk import OperationsDesk, View
from ringback.operations.engine import DurableClientEngine
from ringback.operations.tokens import job_token
from ringback.settings import settings
from ringback.tables.aliases import resolve_id
from ringback.tables.operations import OperationRow, OperationTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import tables
from ringback.tables.users import UserTable

bp = df.Blueprint()
NOBODY = "api"
FORM = '{"operation": name, "input"?: {…}, "user"?}'


class StartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /api/operations; `user` is a user key or an alias of one, such as `<channelId>:<from.id>`."""

    operation: str
    input: dict[str, Any] | None = None
    user: str | None = None


@bp.route(route="operations", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def start_operation(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """202 with the Durable status URLs; the operation's id is the instance id. `Idempotency-Key` makes it once."""
    request = decode(req.get_body(), StartRequest, FORM)
    operation = find(request.operation)
    given = request.input or {}
    if operation.takes_file and not isinstance(given.get("url"), str):
        raise RequestError(f"{operation.name} needs input.url: where to download the file.", field="input.url")
    user, conversation = await _whom(request.user)
    owner, key = user or NOBODY, req.headers.get("Idempotency-Key")
    suffix = ids.digest("key", owner, key, length=20) if key else ids.random_id()
    row = OperationRow(
        id=ids.operation_id(owner, suffix),
        operation=operation.name,
        input=given,
        user=user,
        conversation=conversation,
        created_at=datetime.now(timezone.utc),
    )
    await _desk(client).begin(row)
    return client.create_check_status_response(req, row.id)


@bp.route(route="operations", methods=["GET"])
@answers_problems
async def list_operations(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the binding's
    """The catalogue."""
    entries = [
        {"name": entry.name, "title": entry.title, "description": entry.description, "takesFile": entry.takes_file}
        for entry in CATALOGUE
    ]
    return answer({"operations": entries})


@bp.route(route="operations/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def get_operation(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """State, percent, step, text and output of one operation, and the Durable URLs that manage it."""
    return _answer(req, client, await _desk(client).view(req.route_params["id"]))


@bp.route(route="operations/{id}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def cancel_operation(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """202 while it is being cancelled; 200 when it has ended already."""
    view = await _desk(client).cancel(req.route_params["id"])
    return _answer(req, client, view, 202 if view.row.is_open else 200)


def _desk(client: Any) -> OperationsDesk:
    kept_days = settings().retention.days
    return OperationsDesk(OperationTable(tables()), DurableClientEngine(client), kept_days=kept_days)


async def _whom(user: str | None) -> tuple[str | None, str | None]:
    """(user key, conversation key) of the person to ring back, where they were heard last, but in no group.

    Who never wrote has no conversation: they are rung back as they prefer, by what they have consented to.
    """
    if user is None:
        return None, None
    key = await resolve_id(tables(), user, field="user")
    row = await UserTable(tables()).get(key) if key is not None else None
    if key is None or (row is not None and row.erased):
        fix = "give a user key or an alias, such as <channelId>:<from.id>, or register them with PUT /api/users"
        raise NotFoundError(f"There is no user {user[:120]!r}: {fix}.", field="user")
    talks = [reference for reference in await ReferenceTable(tables()).of(key) if reference.is_own]
    last = max(talks, key=lambda talk: talk.seen_at, default=None)
    return key, last.key if last is not None else None


def _answer(req: func.HttpRequest, client: Any, view: View, status: int = 200) -> func.HttpResponse:
    row = view.row
    body: dict[str, Any] = {
        "id": row.id,
        "operation": row.operation,
        "state": view.state,
        "percent": view.percent,
        "step": view.step,
        "text": view.text,
        "output": view.output,
        "input": row.input,
        "createdAt": row.created_at,
        "endedAt": row.ended_at,
        "urls": client.get_client_response_links(req, row.id),
    }
    waiting = row.waiting if row.is_open else None
    if waiting and waiting["kind"] == "external":
        body["external"] = {
            "operationId": row.id,
            "token": job_token(settings().signing_key, row.id, waiting["event"]),
            "eventName": waiting["event"],
            "input": waiting["input"],
        }
    elif waiting:
        body["approval"] = {"eventName": waiting["event"], "question": waiting["question"]}
    return answer(body, status)
