"""Requests and answers of Azure Communication Services: signed, JSON, errors with a code."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
from aiohttp import web

from local.services.outbox.authentication import problem
from local.services.outbox.faults import Fault, Faults
from local.services.outbox.store import Store

STORE = web.AppKey("store", Store)
FAULTS = web.AppKey("faults", Faults)
KEY = web.AppKey("key", str)


async def signed_body(request: web.Request) -> bytes:
    """The body of a request that carries the key's signature; answers 401 otherwise."""
    body = await request.read()
    reason = problem(request.method, request.raw_path, request.headers, body, request.app[KEY])
    if reason:
        raise refused(401, "Denied", f"Denied by the resource provider. {reason}")
    if not request.query.get("api-version"):
        raise refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
    return body


def decoded(body: bytes, kind: type[Any]) -> Any:
    """The body as `kind`; answers 400 for anything else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise refused(400, "BadRequest", f"The request's body is not valid: {error}.") from error


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    found = {"x-ms-request-id": str(uuid.uuid4()), **(headers or {})}
    return web.Response(body=msgspec.json.encode(data), status=status, headers=found, content_type="application/json")


class Refusal(Exception):  # noqa: N818  an answer on its way
    """Ends a request with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def refused(status: int, code: str, message: str) -> Refusal:
    headers = {"x-ms-error-code": code}
    return Refusal(answer({"error": {"code": code, "message": message}}, status, headers))


async def strike(fault: Fault, request: web.Request) -> web.Response | None:
    """What a fault makes of a request: an answer, a lost connection (which looks like an answer here), or a wait."""
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    if not fault.status:
        return None
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.html:
        page = f"<html><body><h1>{fault.status}</h1></body></html>"
        return web.Response(text=page, status=fault.status, content_type="text/html", headers=headers)
    code = fault.code or {429: "TooManyRequests", 401: "Denied"}.get(fault.status, "InternalServerError")
    body = {"error": {"code": code, "message": fault.message or f"{code} on demand."}}
    return answer(body, fault.status, {"x-ms-error-code": code, **headers})


@web.middleware
async def refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turns a Refusal into its answer."""
    try:
        response: web.StreamResponse = await handler(request)
    except Refusal as refusal:
        return refusal.response
    return response
