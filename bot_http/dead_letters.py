"""Dead letters: what failed for good, why, and sending it again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
import msgspec

from bot_http.bodies import decode
from bot_http.notifications import status_url
from bot_http.problem import answer, answers_problems
from ringback.delivery.desk import DeliveryDesk, public_id
from ringback.errors import ConflictError, NotFoundError, RequestError
from ringback.operations.engine import DurableClientEngine
from ringback.settings import settings
from ringback.tables.dead_letters import DeadLetter
from ringback.tables.service import tables

bp = df.Blueprint()
PAGE, LARGEST_PAGE = 50, 500
AT_ONCE = 8


class Redrive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ones to send again: by id, or all of a code, of a category too if that is given.

    `continuation` is what the answer to an earlier call named: those that are older than what it took.
    """

    ids: tuple[str, ...] | None = None
    code: str | None = None
    category: str | None = None
    continuation: str | None = None


@bp.route(route="dead-letters", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def list_dead_letters(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """A page of them, newest first: ?code=&category=&since=&limit=; `next` is the URL of the following page."""
    size = _limit(req.params.get("limit"))
    letters = await _desk(client).letters.page(
        code=req.params.get("code"),
        category=req.params.get("category"),
        since=_time(req.params.get("since")),
        after=req.params.get("continuation") or "",
        size=size,
    )
    body: dict[str, Any] = {"deadLetters": [_shown(letter) for letter in letters]}
    if len(letters) == size:
        query = urlencode({**req.params, "continuation": letters[-1].key})
        body["continuation"] = letters[-1].key
        body["next"] = f"{settings().public_url}/api/dead-letters?{query}"
    return answer(body)


@bp.route(route="dead-letters/{id}/redrive", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def redrive_dead_letter(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """202: it is pending again. 409 when it is not failed (any more)."""
    desk = _desk(client)
    row = await desk.find(req.route_params["id"])
    if not await desk.redrive(row):
        row = await desk.find(req.route_params["id"])
        await desk.tidy(row)
        if row.erased:
            raise ConflictError("Its person was erased, and with them what it says.")
        raise ConflictError(f"It is {row.state}: only what failed is sent again.")
    url = status_url(row)
    return answer({"id": public_id(row.id), "status": row.state, "statusUrl": url}, 202, {"Location": url})


@bp.route(route="dead-letters/redrive", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def redrive_dead_letters(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """202 with the ids sent again and those skipped; `more` when there may be others: ask with `continuation`."""
    wanted, desk = decode(req.get_body(), Redrive, '{"ids": […]} or {"code": …, "category"?: …}'), _desk(client)
    if (wanted.ids is None) == (wanted.code is None):
        raise RequestError("Give ids, or a code.", field="ids")
    if wanted.ids is not None:
        if len(wanted.ids) > LARGEST_PAGE:
            raise RequestError(f"Give at most {LARGEST_PAGE} ids at a time.", field="ids")
        return _redriven(await _a_few_at_a_time(_by_id(desk, identity) for identity in dict.fromkeys(wanted.ids)))
    letters = await desk.letters.page(
        code=wanted.code, category=wanted.category, after=wanted.continuation or "", size=LARGEST_PAGE
    )
    # What fails again is newer than all of them: whoever goes on behind the last one comes to an end.
    following = letters[-1].key if len(letters) == LARGEST_PAGE else None
    return _redriven(await _a_few_at_a_time(_by_letter(desk, letter) for letter in letters), following)


async def _by_id(desk: DeliveryDesk, identity: str) -> tuple[str, bool]:
    try:
        return identity, await desk.redrive(await desk.find(identity))
    except NotFoundError:
        return identity, False


async def _by_letter(desk: DeliveryDesk, letter: DeadLetter) -> tuple[str, bool]:
    return public_id(letter.delivery), await desk.redrive_letter(letter)


async def _a_few_at_a_time(jobs: Iterable[Coroutine[Any, Any, tuple[str, bool]]]) -> list[tuple[str, bool]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(job: Coroutine[Any, Any, tuple[str, bool]]) -> tuple[str, bool]:
        async with gate:
            return await job

    return await asyncio.gather(*map(one, jobs))


def _redriven(results: Iterable[tuple[str, bool]], following: str | None = None) -> func.HttpResponse:
    redriven = [identity for identity, sent in results if sent]
    skipped = [identity for identity, sent in results if not sent]
    body: dict[str, Any] = {"redriven": redriven, "skipped": skipped, "more": following is not None}
    if following is not None:
        body["continuation"] = following
    return answer(body, 202)


def _desk(client: Any) -> DeliveryDesk:
    return DeliveryDesk(tables(), DurableClientEngine(client), kept_days=settings().retention.days)


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= LARGEST_PAGE:
        raise RequestError(f"limit must be a number from 1 to {LARGEST_PAGE}.", field="limit")
    return int(text)


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        # A plus sign that was not escaped arrives as a blank.
        found = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        found = None
    if found is None or found.tzinfo is None:
        raise RequestError("since must be a time with its zone, such as 2026-03-01T09:00:00Z.", field="since")
    return found


def _shown(letter: DeadLetter) -> dict[str, Any]:
    body = {
        "id": public_id(letter.delivery),
        "code": letter.code,
        "category": letter.category,
        "failedAt": letter.failed_at,
        "channel": letter.channel,
        "detail": letter.detail,
        "tries": letter.tries,
    }
    return {name: value for name, value in body.items() if value is not None}
