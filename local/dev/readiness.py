"""Asking a program over HTTP whether it is ready."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from local.dev.console import Console

_TIMEOUT_SECONDS = 3.0
_POLL_SECONDS = 0.1
_NEWS_SECONDS = 15.0


async def wait_until(name: str, url: str, console: Console, accept: Callable[[int, bytes], bool]) -> None:
    """Return once the answer to a GET is accepted; says every while that it still waits."""
    news = time.monotonic() + _NEWS_SECONDS
    while not await asyncio.to_thread(_asked, url, accept):
        if time.monotonic() > news:
            console.say(f"Still waiting for {name} ({url}) …")
            news += _NEWS_SECONDS
        await asyncio.sleep(_POLL_SECONDS)


def is_ok(status: int, _body: bytes) -> bool:
    return status == 200


def is_running(status: int, body: bytes) -> bool:
    """Whether a Functions host's status says that its functions run."""
    try:
        return status == 200 and json.loads(body).get("state") == "Running"
    except (ValueError, AttributeError):
        return False


def _asked(url: str, accept: Callable[[int, bytes], bool]) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path, headers={"Connection": "close"})
        response = connection.getresponse()
        return accept(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
