"""The request behind an orchestrator's call_http, and its answer as the SDK reads it."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import aiohttp

from local.host import jsontext
from local.host.failures import http_failure

# .NET keeps these on the content, which the answer leaves out.
CONTENT_HEADERS = {"allow", "expires", "last-modified"}
PRODUCT_HEADERS = {"server", "user-agent", "via"}
LIST_HEADERS = {
    "accept-ranges", "access-control-allow-headers", "access-control-allow-methods", "cache-control", "connection",
    "pragma", "proxy-authenticate", "set-cookie", "trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate",
}  # fmt: skip


class HttpCallError(Exception):
    """No answer came: Reason and Details of the failed task."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class HttpCaller:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(self, request: dict[str, Any]) -> str:
        """Do the request; returns `{"statusCode", "headers", "content"}` as JSON. Raises HttpCallError.

        `request` is the action's httpRequest: method, uri, content, headers, tokenSource.
        """
        if request.get("tokenSource"):
            reason = (
                "call_http with a token source needs a managed identity, which there is none of on this machine. "
                "Leave token_source out locally, or put the bearer token into the headers yourself."
            )
            raise HttpCallError(*http_failure(reason))
        try:
            return await self._call(request)
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            raise HttpCallError(*_described(error)) from error

    async def _call(self, request: dict[str, Any]) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=100), auto_decompress=True)
        headers = {str(k): str(v) for k, v in (request.get("headers") or {}).items()}
        content = request.get("content")
        if content is not None and not isinstance(content, str):
            content = jsontext.dumps(content)
        if content is not None and not any(k.lower() == "content-type" for k in headers):
            headers["Content-Type"] = "application/json"
        body = None if content is None else content.encode()
        async with self._session.request(request["method"], request["uri"], data=body, headers=headers) as response:
            text = await response.text(errors="replace")
            return jsontext.dumps(
                {"statusCode": response.status, "headers": _headers(response.headers), "content": text}
            )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _headers(headers: Any) -> dict[str, Any]:
    """A text for one value, a list for several, as .NET splits them."""
    answer: dict[str, Any] = {}
    for name in dict.fromkeys(headers):
        lowered = name.lower()
        if lowered.startswith("content-") or lowered in CONTENT_HEADERS:
            continue
        values = list(headers.getall(name))
        if lowered in PRODUCT_HEADERS:
            values = [part for value in values for part in value.split()]
        elif lowered in LIST_HEADERS - {"set-cookie"}:
            values = [part.strip() for value in values for part in value.split(",")]
        answer[name] = values[0] if len(values) == 1 else values
    return answer


def _described(error: Exception) -> tuple[str, str]:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        number = _plain_errno(error)
        return http_failure(f"{os.strerror(number)} ({error.host}:{error.port})", number)
    if isinstance(error, asyncio.TimeoutError):
        return http_failure(
            "The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing."
        )
    return http_failure(f"{type(error).__name__}: {error}")


def _plain_errno(error: aiohttp.ClientConnectorError) -> int:
    number = error.os_error.errno
    return number if isinstance(number, int) else errno.ECONNREFUSED
