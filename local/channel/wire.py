"""JSON on the wire: reading requests within a limit, writing answers, times and look-ups without regard to case."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from local.channel.errors import ChannelError, bad_argument, too_large

MAX_FILE = 4 * 1024 * 1024
# Several files and an activity in one multipart request.
MAX_UPLOAD = 5 * MAX_FILE
MAX_ACTIVITY = 4 * 1024 * 1024
# Far more than any card needs, and far less than where recursive readers of JSON give up.
MAX_DEPTH = 100
TRANSFER_ENCODING = "Content-Transfer-Encoding"
# Quoted-printable writes a byte as three and breaks the lines, base64 three as four.
LONGEST_ENCODING = 4
BODY: web.RequestKey[bytes] = web.RequestKey("body", bytes)


class TooDeepError(ValueError):
    """JSON that few readers could read."""

    def __init__(self) -> None:
        super().__init__(f"it is nested deeper than {MAX_DEPTH} levels")


# msgspec raises ValueErrors for text that is not UTF-8.
NOT_JSON = (msgspec.DecodeError, ValueError)


def now(offset: float = 0.0) -> str:
    """The time, or `offset` seconds after it, as Bot Framework activities write it: UTC, with a Z."""
    moment = datetime.now(timezone.utc) + timedelta(seconds=offset)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_answer(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(data), status=status, content_type="application/json", charset="utf-8")


def error_answer(error: ChannelError) -> web.Response:
    answer = json_answer(error.body(), error.status)
    answer.headers.update(error.headers)
    return answer


async def read_body(request: web.Request, limit: int, what: str) -> bytes:
    """The whole body; raises 413 as soon as more than `limit` bytes are announced or came. Can be read twice."""
    if BODY not in request:
        request[BODY] = await _received(request, limit, what)
    # Whoever read it before may have allowed more.
    if len(request[BODY]) > limit:
        raise too_large(what, limit)
    return request[BODY]


async def _received(request: web.Request, limit: int, what: str) -> bytes:
    if (request.content_length or 0) > limit:
        raise too_large(what, limit)
    body = bytearray()
    with readable(what):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise too_large(what, limit)
    return bytes(body)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """400 instead of aiohttp's errors for a body that is not what its headers say: a broken gzip, a broken chunk."""
    try:
        yield
    except (web.RequestPayloadError, HttpProcessingError, zlib.error) as error:
        cause = error.__cause__ or error
        # The text of an HttpProcessingError begins with a line of its own.
        reason = str(getattr(cause, "message", cause)).partition("\n")[0].strip(" ,:") or type(error).__name__
        raise bad_argument(f"{what} cannot be read as its headers announce it ({reason}).") from error


async def read_part(part: BodyPartReader, limit: int, what: str) -> bytes:
    """The part as it was before it was encoded for the transfer; raises 413 if that is more than `limit` bytes."""
    received, encoded_limit = bytearray(), limit * LONGEST_ENCODING if TRANSFER_ENCODING in part.headers else limit
    while chunk := await part.read_chunk(64 * 1024):
        received += chunk
        if len(received) > encoded_limit:
            raise too_large(what, limit)
    decoded = bytearray()
    async for piece in part.decode_iter(received):
        decoded += piece
        if len(decoded) > limit:
            raise too_large(what, limit)
    return bytes(decoded)


def parse_object(body: bytes, what: str) -> dict[str, Any]:
    try:
        value = json_value(body)
    except NOT_JSON as error:
        raise bad_argument(f"{what} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise bad_argument(f"{what} must be a JSON object.")
    return value


def json_value(body: bytes | bytearray) -> Any:
    """The JSON value in `body`; raises one of NOT_JSON, also for what is nested deeper than MAX_DEPTH."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise TooDeepError from None
    # Most bodies hold so few brackets that no walk is needed.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise TooDeepError
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        outer = [item for item in level if isinstance(item, (dict, list))]
        level = [inner for item in outer for inner in (item.values() if isinstance(item, dict) else item)]
    return bool(level)


async def read_object(
    request: web.Request, what: str, *, optional: bool = False, limit: int = MAX_ACTIVITY
) -> dict[str, Any]:
    """The body as a JSON object; an empty one is {} when `optional`."""
    body = await read_body(request, limit, what)
    if optional and not body.strip():
        return {}
    return parse_object(body, what)


def field(data: Any, name: str) -> Any:
    """A property by name whatever its case (`user`, `User`): clients of Direct Line send both. None when absent."""
    if not isinstance(data, Mapping):
        return None
    if name in data:
        return data[name]
    return next((value for key, value in data.items() if isinstance(key, str) and key.lower() == name.lower()), None)


def text_field(data: Any, name: str) -> str:
    """A property that is a non-empty string, else the empty string."""
    value = field(data, name)
    return value if isinstance(value, str) else ""
