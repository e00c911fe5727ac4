"""The host's own endpoints below /admin: status, the list of functions, running one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from local.host import ids, jsontext, trigger_data
from local.host.client import Client
from local.host.functions import Function
from local.host.http_errors import ApiError, empty, json_response
from local.host.keys import Keys, Level
from local.host.services import Services
from local.host.trigger_data import UnsupportedTriggerError

VERSION = "4.1000.0.0"


class AdminApi:
    """`clock_handler` answers `/admin/clock`, where there is a test clock."""

    def __init__(self, services: Services, keys: Keys, client: Client, deliver: Callable[..., Any]) -> None:
        self._services = services
        self._client = client
        self._keys = keys
        self._deliver = deliver
        self._id = ids.hex_id()
        self._started = time.monotonic()
        self._running: set[asyncio.Task[None]] = set()
        self.clock_handler: Callable[[web.Request], Any] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        parts = [part for part in request.path.lower().split("/") if part][1:]
        if parts == ["host", "ping"]:
            return empty(200)
        allowed = self._keys.allows(request, Level.ADMIN)
        if parts == ["host", "status"] and request.method == "GET":
            # Whoever waits for the host has no key yet, and learns no more than that it runs.
            return json_response(self._status() if allowed else {"state": "Running"})
        if not allowed:
            return empty(401)
        if parts == ["functions"] and request.method == "GET":
            return json_response([_described(f) for f in self._services.registry.functions.values()])
        if parts == ["instances"] and request.method == "DELETE":
            return json_response({"instancesDeleted": await self._client.clear()})
        if parts == ["clock"] and self.clock_handler is not None:
            response: web.Response = await self.clock_handler(request)
            return response
        if len(parts) in (2, 3) and parts[0] == "functions":
            return await self._function(request, parts[1])
        return empty(404)

    def _status(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "state": "Running",
            "version": VERSION,
            "versionDetails": f"{VERSION} (embedded host)",
            "platform": platform.platform(),
            "instanceId": self._id,
            "computerName": platform.node(),
            "processUptime": int((time.monotonic() - self._started) * 1000),
            "processId": os.getpid(),
            "functionAppContentEditingState": "Unknown",
        }

    async def _function(self, request: web.Request, name: str) -> web.Response:
        function = self._services.registry.find(name)
        if function is None:
            return empty(404)
        if request.method == "GET":
            return json_response(_described(function))
        if request.method != "POST":
            return empty(404)
        try:
            trigger = trigger_data.from_text(function.kind, await _input(request))
        except (UnsupportedTriggerError, ValueError, NotImplementedError) as error:
            return ApiError(400, str(error)).response()
        running = asyncio.get_running_loop().create_task(self._run(function, trigger))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return empty(202)

    async def _run(self, function: Function, trigger: Any) -> None:
        # The invoker has logged it, and the caller was answered long ago.
        with contextlib.suppress(Exception):
            await self._deliver(function, trigger)


async def _input(request: web.Request) -> str:
    """The text of `{"input": …}`; an empty body is an empty text. Raises ValueError."""
    body = await request.text()
    if not body.strip():
        return ""
    content = jsontext.loads(body)
    value = content.get("input", "") if isinstance(content, dict) else content
    return value if isinstance(value, str) else jsontext.dumps(value)


def _described(function: Function) -> dict[str, Any]:
    bindings = [
        {k: str(getattr(v, "value", v)) if not isinstance(v, (str, int, bool, list, type(None))) else v
         for k, v in binding.settings.items()}
        for binding in function.bindings
    ]  # fmt: skip
    return {
        "name": function.name,
        "language": "python",
        "isDisabled": False,
        "config": {"name": function.name, "bindings": jsontext.loads(jsontext.dumps(_plain(bindings)))},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
