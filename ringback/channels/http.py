"""One aiohttp session per process: connections to a channel are kept alive between messages.

A session belongs to one event loop; a process that runs several gets one for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import aiohttp

Item = TypeVar("Item")

# No total without a connect limit: a timeout while connecting tells that nothing was sent.
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10, sock_connect=10, sock_read=20)
CONNECTIONS = 200
# Front ends drop idle connections after a minute or more; a connection older than this is not trusted with a POST.
KEEPALIVE_SECONDS = 30
USER_AGENT = "Ringback/0.1"
# Nothing of the request has left when one of these is raised.
NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
NO_ANSWER = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


class PerLoop(Generic[Item]):
    """One item for each running event loop; those of closed loops are dropped."""

    def __init__(self, make: Callable[[], Item], drop: Callable[[Item], None] = lambda _: None) -> None:
        self._make = make
        self._drop = drop
        self._items: dict[asyncio.AbstractEventLoop, Item] = {}

    def get(self) -> Item:
        loop = asyncio.get_running_loop()
        item = self._items.get(loop)
        if item is None:
            for closed in [other for other in self._items if other.is_closed()]:
                self._drop(self._items.pop(closed))
            item = self._items[loop] = self._make()
        return item

    def take(self) -> Item | None:
        """Give up this loop's item; the caller disposes of it."""
        return self._items.pop(asyncio.get_running_loop(), None)


def session() -> aiohttp.ClientSession:
    """The session of the running loop; keeps no cookies and must not be closed by its users."""
    current = SESSIONS.get()
    if current.closed:
        SESSIONS.take()
        current = SESSIONS.get()
    return current


async def close_session() -> None:
    """Close the running loop's session, if it has one."""
    current = SESSIONS.take()
    if current is not None:
        await current.close()


def _make() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=TIMEOUT,
        headers={"User-Agent": USER_AGENT},
        # A proxy named in the environment would see every token.
        trust_env=False,
    )


def _drop(stale: aiohttp.ClientSession) -> None:
    """Its loop is closed, so `close` has nothing to wait for, and one step runs it to its end."""
    closing = stale.close()
    with suppress(StopIteration):
        closing.send(None)
    closing.close()


SESSIONS = PerLoop(_make, _drop)
