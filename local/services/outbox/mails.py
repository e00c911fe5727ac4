"""The e-mail service: `POST /emails:send` starts an operation, `GET /emails/operations/{id}` tells how it goes.

https://learn.microsoft.com/rest/api/communication/email/email/send
"""

from __future__ import annotations

import hashlib
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from local.services.outbox.store import Message, Operation
from local.services.outbox.wire import FAULTS, STORE, answer, decoded, refused, signed_body, strike

SECONDS = web.AppKey("seconds", float)
MOST_RECIPIENTS = 50
SUPPRESSED = {
    "code": "EmailDroppedAllRecipientsSuppressed",
    "message": "Message dropped because all recipients were suppressed.",
}


class Mailbox(msgspec.Struct, rename="camel"):
    """A recipient."""

    address: str
    display_name: str = ""


class Content(msgspec.Struct, rename="camel"):
    """What it says."""

    subject: str
    plain_text: str = ""
    html: str = ""


class Recipients(msgspec.Struct):
    """Whom it goes to."""

    to: list[Mailbox] = []
    cc: list[Mailbox] = []
    bcc: list[Mailbox] = []

    def all(self) -> list[Mailbox]:
        return [*self.to, *self.cc, *self.bcc]


class Request(msgspec.Struct, rename="camel"):
    """The body of a request."""

    sender_address: str
    content: Content
    recipients: Recipients
    headers: dict[str, str] = {}


async def send(request: web.Request) -> web.Response:
    body = await signed_body(request)
    asked: Request = decoded(body, Request)
    people = asked.recipients.all()
    _check(asked, people)
    operation_id = _operation_id(request.headers.get("Operation-Id"))
    addresses = [person.address for person in people]
    fault = request.app[FAULTS].choose("email", "request", addresses)
    if fault and not fault.taken and (struck := await strike(fault, request)) is not None:
        return struck
    _begin(request, asked, operation_id, hashlib.sha256(body).hexdigest())
    if fault and fault.taken and (struck := await strike(fault, request)) is not None:
        return struck
    location = f"{request.scheme}://{request.host}/emails/operations/{operation_id}{_query(request)}"
    return _told(request, operation_id, 202, {"Operation-Location": location})


async def status(request: web.Request) -> web.Response:
    await signed_body(request)
    fault = request.app[FAULTS].choose("email", "status", [])
    if fault and (struck := await strike(fault, request)) is not None:
        return struck
    return _told(request, request.match_info["id"].lower(), 200, {})


def _check(asked: Request, people: list[Mailbox]) -> None:
    if asked.sender_address.count("@") != 1:
        raise refused(400, "InvalidSenderUserName", "The sender address is not one of the linked domains.")
    if not asked.content.subject or not (asked.content.plain_text or asked.content.html):
        raise refused(400, "BadRequest", "The content needs a subject, and a text or HTML.")
    if not 1 <= len(people) <= MOST_RECIPIENTS or any(person.address.count("@") != 1 for person in people):
        raise refused(400, "BadRequest", f"The request needs 1 to {MOST_RECIPIENTS} valid recipients.")


def _operation_id(given: str | None) -> str:
    if not given:
        return str(uuid4())
    try:
        return str(UUID(given))
    except ValueError as error:
        raise refused(400, "BadRequest", "The Operation-Id header is not a UUID.") from error


def _begin(request: web.Request, asked: Request, operation_id: str, digest: str) -> None:
    """Accept the e-mail; one that came before with this id is accepted once."""
    store, people = request.app[STORE], asked.recipients.all()
    known = store.operation(operation_id)
    if known is not None:
        if known.message != digest:
            raise refused(409, "Conflict", "The operation id was used for another e-mail.")
        return
    reached = [person for person in people if not store.refuses(person.address)]
    failing = request.app[FAULTS].choose("email", "operation", [person.address for person in people])
    error = ""
    if failing:
        words = {"code": failing.code or "InternalServerError", "message": failing.message or "On demand."}
        error = msgspec.json.encode(words).decode()
    elif not reached:
        error = msgspec.json.encode(SUPPRESSED).decode()
    with store:
        store.begin(Operation(operation_id, time.time() + request.app[SECONDS], error, digest))
        for person in reached if not error else []:
            content = asked.content
            store.add(
                Message(
                    *("email", "email", asked.sender_address, person.address, content.plain_text, person.display_name),
                    *(content.subject, content.html, asked.headers, operation_id),
                )
            )


def _told(request: web.Request, operation_id: str, code: int, headers: dict[str, str]) -> web.Response:
    operation = request.app[STORE].operation(operation_id)
    if operation is None:
        raise refused(404, "OperationNotFound", "There is no operation with this id.")
    left = operation.ends - time.time()
    if left > 0:
        body: dict[str, Any] = {"id": operation_id, "status": "Running", "error": None}
        return answer(body, code, {**headers, "Retry-After": str(max(1, round(left)))})
    error = msgspec.json.decode(operation.error) if operation.error else None
    body = {"id": operation_id, "status": "Failed" if error else "Succeeded", "error": error}
    return answer(body, code, headers)


def _query(request: web.Request) -> str:
    return f"?api-version={request.query['api-version']}"


def routes() -> list[web.RouteDef]:
    return [web.post("/emails:send", send), web.get("/emails/operations/{id}", status)]
