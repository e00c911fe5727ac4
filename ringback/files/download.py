"""Fetching a file that a user sent, within limits of size and time, from hosts that the caller allows."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import NoReturn
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp

from ringback.errors import NotFoundError, RequestError, RetryableError, TooLargeError

PIECE_BYTES = 64 * 1024
MEGABYTE = 1024 * 1024
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 20.0
TOTAL_SECONDS = 120.0
RETRIED = (408, 425, 429)


async def download(
    url: str,
    session: aiohttp.ClientSession,
    *,
    max_bytes: int,
    check_url: Callable[[str], None],
    headers: Mapping[str, str] | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Yield a file's bytes, at most `max_bytes` in all, from an http(s) or a data URL.

    `check_url` raises for a URL whose host is not allowed. A redirect is not followed: it is an error.
    Raises RequestError (NotFoundError, TooLargeError) with words for the user when trying again would not help, and
    RetryableError when it may.
    """
    if url[:5].lower() == "data:":
        yield _from_data_url(url, max_bytes)
        return
    _check_address(url)
    check_url(url)
    limits = aiohttp.ClientTimeout(total=total_seconds, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
    try:
        async with session.get(url, headers=headers, allow_redirects=False, timeout=limits) as response:
            _check_answer(response, max_bytes)
            async for piece in _limited(response, max_bytes):
                yield piece
    except aiohttp.InvalidURL:
        raise RequestError("The file's address is malformed: send the file again.") from None
    except asyncio.TimeoutError:
        raise RetryableError(f"The file did not come within {total_seconds:.0f} seconds.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise RetryableError("The file could not be fetched: the place that keeps it did not answer.") from error


async def _limited(response: aiohttp.ClientResponse, max_bytes: int) -> AsyncIterator[bytes]:
    """The body, counted after any decompression."""
    size = 0
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        size += len(piece)
        if size > max_bytes:
            _too_large(max_bytes)
        yield piece
    if not size:
        raise RequestError("The file is empty: send one with some rows or text in it.")


def _check_answer(response: aiohttp.ClientResponse, max_bytes: int) -> None:
    status = response.status
    if status in RETRIED or status >= 500:
        raise RetryableError(f"The place that keeps the file answered {status}.")
    if status in {404, 410}:
        raise NotFoundError("The file is gone: send it again.")
    if status in {401, 403}:
        raise RequestError(f"The bot may not read the file (HTTP {status}): send it here as an attachment.")
    if 300 <= status < 400:
        target = _host(response.headers.get("Location", "")) or "another address"
        raise RequestError(f"The file's address redirects to {target} (HTTP {status}), which is not followed.")
    if status != 200:
        raise RequestError(f"The file could not be fetched (HTTP {status}): send it again.")
    if (response.content_length or 0) > max_bytes:
        _too_large(max_bytes)


def _check_address(url: str) -> None:
    if not url.lower().startswith(("http://", "https://")) or not _host(url):
        raise RequestError("The file's address is no web address: send the file again.")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _from_data_url(url: str, max_bytes: int) -> bytes:
    head, comma, body = url.partition(",")
    if not comma:
        raise RequestError("The file's data URL is malformed: it has no comma.")
    # Each byte takes at least 4/3 characters in base64 and one without, so that a huge URL is never decoded.
    if len(body) > 3 * max_bytes + 4:
        _too_large(max_bytes)
    content = unquote_to_bytes(body)
    if head.lower().endswith(";base64"):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error:
            raise RequestError("The file's data URL is malformed: it is no valid base64.") from None
    if len(content) > max_bytes:
        _too_large(max_bytes)
    if not content:
        raise RequestError("The file is empty: send one with some rows or text in it.")
    return content


def _too_large(max_bytes: int) -> NoReturn:
    raise TooLargeError(f"The file is larger than the limit of {max_bytes / MEGABYTE:.3g} MB: send a smaller one.")
