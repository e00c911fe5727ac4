"""The HTTP server: routes, CORS, error bodies, start and stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import signal
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web
from yarl import URL

from local.channel import admin, auth, connector, directline, page, roster, stream, uploads
from local.channel.context import CHANNEL, Channel, Handler, Options
from local.channel.errors import ChannelError, bad_argument
from local.channel.http_protocol import Runner
from local.channel.striking import faulty
from local.channel.wire import MAX_UPLOAD, error_answer, json_answer

logger = logging.getLogger("local.channel")
ALLOWED_HEADERS = "Authorization, Content-Type, Content-Disposition, X-Requested-With, x-ms-bot-agent"
CLIENT_GONE = 499
# URLs are made of it: the stream's, the page's policy.
HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)
# A bot or a load test may open hundreds of connections at once.
BACKLOG = 1024
CLIENT_PATHS = ("/v3/directline", "/attachments/")
CONNECTOR_PREFIXES = ("", "/teams")


class PortTakenError(Exception):
    """Another program listens on the port."""


class AddressError(Exception):
    """There is no such address on this machine, or the port is not for this user."""


def build(options: Options) -> web.Application:
    app = web.Application(middlewares=[answer_errors], client_max_size=MAX_UPLOAD)
    app[CHANNEL] = Channel(options)
    app[stream.STREAMS] = set()
    app.on_response_prepare.append(allow_origin)
    app.on_shutdown.append(stream.close_streams)
    app.on_cleanup.append(_close)
    app.add_routes(directline.routes() + stream.routes() + uploads.routes() + page.routes() + admin.routes())
    authority = app[CHANNEL].authority
    if authority:
        app.add_routes(auth.routes(authority, faulty))
    for prefix in CONNECTOR_PREFIXES:
        app.add_routes(connector.routes(prefix) + roster.routes(prefix))
    app.router.add_get("/healthz", health)
    return app


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Preflights, and every failure as a documented error body."""
    try:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204)
        _check_host(request.host)
        return await handler(request)
    except ChannelError as error:
        return error_answer(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_answer(_of_http(request, error))
    except ConnectionError:
        # The client went away, or a fault cut it off: nobody reads this.
        return web.Response(status=CLIENT_GONE)
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return error_answer(ChannelError(500, "ServiceError", "The channel failed; its log says why."))


def _check_host(host: str) -> None:
    if not _names_a_host(host):
        raise bad_argument("The Host header names no host.")


@lru_cache(maxsize=32)
def _names_a_host(host: str) -> bool:
    try:
        return HOST.fullmatch(host) is not None and bool(URL(f"http://{host}").host)
    except ValueError:
        return False


def _of_http(request: web.Request, error: web.HTTPException) -> ChannelError:
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    words = {404: "NotFound", 405: "MethodNotAllowed", 413: "MessageSizeTooBig"}
    code = words.get(error.status, "BadArgument")
    return ChannelError(error.status, code, f"{request.method} {request.path}: {error.reason}.", headers)


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """CORS for Direct Line and its files, errors and preflights included; the page's own routes stay same-origin."""
    origin = request.headers.get("Origin")
    if not origin or not request.path.startswith(CLIENT_PATHS):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        wanted = request.headers.get("Access-Control-Request-Headers")
        response.headers["Access-Control-Allow-Headers"] = wanted or ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "3600"


async def health(request: web.Request) -> web.Response:
    channel = request.app[CHANNEL]
    return json_answer({"status": "ok", "bot": channel.options.bot, "streams": channel.transcript.listener_count})


async def _close(app: web.Application) -> None:
    await app[CHANNEL].close()


async def serve(options: Options, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT; raises PortTakenError, AddressError and the errors of Database."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    listener = _listen(host, port)
    runner = Runner(build(options), access_log=None, shutdown_timeout=0.75)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        print(f"channel ready: {options.public_url} (bot: {options.bot})", flush=True)
        _tell_settings(options, runner)
        await stopped.wait()
    finally:
        await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    """The port is taken before anything else, so that a second channel touches nothing of the first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError from error
        raise AddressError(error.strerror) from error
    return listener


def _tell_settings(options: Options, runner: web.AppRunner) -> None:
    """With --auth, the app must be told whom to trust: its settings, ready to be copied."""
    if options.auth and runner.app:
        authority = runner.app[CHANNEL].authority
        for name, value in (authority.settings if authority else {}).items():
            print(f"  {name}={value}", flush=True)


def is_http_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
