"""HTTP below the routes: what cannot be read as HTTP gets the documented error body and no traceback."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from local.channel.errors import bad_argument
from local.channel.wire import error_answer

SHOWN = 200


class Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A request line, a URL or headers that are malformed or longer than 8190 bytes: 400."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        reason = " ".join((message or str(exc)).split())
        if len(reason) > SHOWN:
            reason = f"{reason[:SHOWN]}…"
        answer = error_answer(bad_argument(f"This is not a request that HTTP allows: {reason}"))
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **more: Any) -> None:
        """A body that breaks off or is badly encoded was answered with 400; draining its rest fails once more."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)


class Server(web.Server):
    def __call__(self) -> Protocol:
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on Protocol."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Server(made.request_handler, request_factory=made.request_factory, **self._kwargs)
