"""The two HTTP servers: the public port, and the local endpoint that the Python durable client calls."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from local.host.admin import AdminApi
from local.host.client_binding import ROOT
from local.host.cors import Cors, is_preflight
from local.host.http_errors import empty
from local.host.http_triggers import HttpTriggers
from local.host.keys import Keys, Level
from local.host.management import ManagementApi

BODY_LIMIT = 100 * 1024 * 1024
RPC_ROOT = "/durabletask"
WEBHOOKS = "/runtime/webhooks/"
PAGE = "<!doctype html><title>Functions</title><p>Your Functions app is up and running."


class PortTakenError(Exception):
    """The port given with --port cannot be listened on."""


class AddressError(Exception):
    """The address given with --host is none of this machine."""


class Server:
    def __init__(self, triggers: HttpTriggers, management: ManagementApi, admin: AdminApi, keys: Keys) -> None:
        self._triggers = triggers
        self._management = management
        self._admin = admin
        self._keys = keys
        self._runners: list[web.AppRunner] = []
        self.webhooks: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.extra_headers: dict[str, str] = {}
        self.cors = Cors()

    async def start(self, host: str, port: int) -> None:
        """Raises PortTakenError, AddressError."""
        listener = _listen(host, port)
        await self._serve(self._public, listener)

    async def start_rpc(self) -> str:
        """Serve the local endpoint on a free port; returns its base URL, which ends in a slash."""
        listener = _listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        await self._serve(self._rpc, listener)
        return f"http://127.0.0.1:{port}{RPC_ROOT}/"

    async def close(self, grace: float) -> None:
        """Stop listening; requests in flight have `grace` seconds to end."""
        for runner in self._runners:
            runner._shutdown_timeout = grace  # noqa: SLF001 - aiohttp takes it only before the start
            await runner.cleanup()

    async def _serve(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], listener: socket.socket
    ) -> None:
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._runners.append(runner)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        allowed = self.cors.headers(request)
        preflight = is_preflight(request) and "Access-Control-Allow-Origin" in allowed
        response = empty(204) if preflight else await self._answer(request)
        response.headers.update(allowed)
        for name, value in self.extra_headers.items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.split("?")[0]
        lowered = path.lower()
        if lowered == ROOT or lowered.startswith(ROOT + "/"):
            if not self._keys.allows(request, Level.SYSTEM, self._keys.durable):
                return empty(401)
            return await self._management.handle(request, ROOT)
        if lowered.startswith(WEBHOOKS):
            webhook = self.webhooks.get(lowered[len(WEBHOOKS) :].strip("/"))
            return empty(404) if webhook is None else await webhook(request)
        if lowered.startswith("/admin/"):
            return await self._admin.handle(request)
        response = await self._triggers.handle(request)
        if response.status == 404 and path == "/" and request.method == "GET":
            return web.Response(text=PAGE, content_type="text/html")
        return response

    async def _rpc(self, request: web.Request) -> web.StreamResponse:
        if not request.path.startswith(RPC_ROOT):
            return empty(404)
        return await self._management.handle(request, RPC_ROOT)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, UnicodeError) as error:
        listener.close()
        if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno == errno.EADDRNOTAVAIL:
            raise AddressError(
                f"--host {host} is no address of this machine ({getattr(error, 'strerror', None) or error}). Give "
                f"127.0.0.1, 0.0.0.0 for all of its addresses, or leave it out."
            ) from error
        raise PortTakenError(f"port {port} cannot be used ({error.strerror}). Give another one with --port.") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's
    return listener
