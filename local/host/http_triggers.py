"""HTTP-triggered functions: which one a request is for, what it receives, what is answered."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from aiohttp import Payload, web
from aiohttp.abc import AbstractStreamWriter
from azure.functions.meta import Datum, get_binding_registry

from local.host.failures import RunFailedError
from local.host.functions import Function, Registry
from local.host.http_errors import empty
from local.host.invocation import Invoker
from local.host.keys import Keys, Level
from local.host.outputs import Outputs
from local.host.routes import Route, compile_route

LEVELS = {"anonymous": Level.ANONYMOUS, "function": Level.FUNCTION, "admin": Level.ADMIN}


PIECE = 256 * 1024
"""Bytes that are handed to the socket at a time."""


class BodyTooLargeError(Exception):
    """A request's body is over the limit."""


class Pieces(Payload):
    """The body of an answer, written piece by piece as the caller takes it: not copied as a whole."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/octet-stream")
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        text: str = self._value.decode(encoding, errors)
        return text

    async def write(self, writer: AbstractStreamWriter) -> None:
        rest = memoryview(self._value)
        while rest:
            await writer.write(rest[:PIECE])
            rest = rest[PIECE:]


class ReturnValueError(RunFailedError):
    """An HTTP function returned what is no HTTP answer."""


@dataclass(frozen=True)
class Door:
    """An HTTP-triggered function with its compiled route."""

    function: Function
    route: Route
    methods: frozenset[str] | None
    level: Level


class HttpTriggers:
    def __init__(self, registry: Registry, invoker: Invoker, outputs: Outputs, keys: Keys, *, prefix: str) -> None:
        self._invoker = invoker
        self._outputs = outputs
        self._keys = keys
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.doors: list[Door] = []
        self.load(registry)

    def load(self, registry: Registry) -> None:
        """Take the HTTP functions of an app. Raises RouteError."""
        doors = [_door(function, self._prefix) for function in registry.of_kind("httpTrigger")]
        self.doors = sorted(doors, key=lambda door: door.route.rank)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.split("?")[0].strip("/")
        for door in self.doors:
            values = door.route.match(path) if _allows(door, request.method) else None
            if values is not None:
                return await self._open(door, values, request)
        return empty(404)

    async def _open(self, door: Door, values: dict[str, str], request: web.Request) -> web.StreamResponse:
        function = door.function
        accepted = (self._keys.of_function(function.name), self._keys.host) if door.level is Level.FUNCTION else ()
        if not self._keys.allows(request, door.level, *accepted):
            return empty(401)
        try:
            body = await _body(request)
        except BodyTooLargeError:
            return empty(413)
        datum = _request_datum(request, values, body)
        trigger = get_binding_registry().get("httpTrigger").decode(datum, trigger_metadata=None)

        async def answer(returned: Any, outs: dict[str, Any]) -> web.Response:
            await self._outputs.deliver(function, returned, outs)
            return _response(function, returned, outs)

        try:
            response: web.Response = await self._invoker.call(function, trigger, finish=answer)
        except Exception:  # noqa: BLE001 - logged with the run; the caller learns no more, as in the real host
            return empty(500)
        return response


def _door(function: Function, prefix: str) -> Door:
    settings = function.trigger.settings
    route = settings.get("route")
    methods = settings.get("methods")
    return Door(
        function,
        compile_route(prefix + (function.name if route is None else str(route).strip("/"))),
        frozenset(str(m).upper() for m in methods) if methods else None,
        LEVELS[str(settings.get("authLevel") or "function").lower()],
    )


def _allows(door: Door, method: str) -> bool:
    return door.methods is None or method in door.methods


async def _body(request: web.Request) -> bytes:
    """The body, of which there is never a second copy: a BytesIO hands out its own buffer. Raises BodyTooLargeError,
    before anything is read if the request tells its length.
    """
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise BodyTooLargeError
    collected = io.BytesIO()
    async for piece in request.content.iter_any():
        if collected.tell() + len(piece) > limit:
            raise BodyTooLargeError
        collected.write(piece)
    return collected.getvalue()


def _request_datum(request: web.Request, route_values: dict[str, str], body: bytes) -> Datum:
    query: dict[str, str] = {}
    for key in dict.fromkeys(request.query):
        query[key] = ",".join(request.query.getall(key))
    headers: dict[str, str] = {}
    for key in dict.fromkeys(name.lower() for name in request.headers):
        headers[key] = ",".join(request.headers.getall(key))
    return Datum(
        {
            "method": Datum(request.method, "string"),
            "url": Datum(str(request.url), "string"),
            "headers": _texts(headers),
            "query": _texts(query),
            "params": _texts(route_values),
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def _texts(values: dict[str, str]) -> dict[str, Datum]:
    return {key: Datum(value, "string") for key, value in values.items()}


def _response(function: Function, returned: Any, outs: dict[str, Any]) -> web.Response:
    """Raises ReturnValueError."""
    http_out = next((b.name for b in function.outputs if b.type == "http"), None)
    value = returned if http_out is None or returned is not None else outs.get(http_out)
    if isinstance(value, str):
        return web.Response(text=value)
    if isinstance(value, func.HttpResponse):
        return _from_http_response(value)
    raise ReturnValueError(
        f"function {function.name} returned {type(value).__name__}; an HTTP function must return an "
        f"azure.functions.HttpResponse or a str"
    )


def _from_http_response(value: func.HttpResponse) -> web.Response:
    headers = [(name, text) for name, text in value.headers.items() if name.lower() != "content-length"]
    if not any(name.lower() == "content-type" for name, _ in headers):
        charset = f"; charset={value.charset}" if value.mimetype.startswith("text/") else ""
        headers.append(("Content-Type", value.mimetype + charset))
    body = value.get_body() or b""
    response = web.Response(status=value.status_code, body=Pieces(body) if len(body) > PIECE else body)
    response.headers.popall("Content-Type", None)
    for name, text in headers:
        response.headers.add(name, text)
    return response
