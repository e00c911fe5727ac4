"""Entity group transactions: `POST $batch` with one change set of up to 100 operations on one partition.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlsplit

from local.services.tables.addresses import parse_address
from local.services.tables.authentication import ACCOUNT
from local.services.tables.entities import Operation, Verb, parse_operation
from local.services.tables.errors import ServiceError

MAX_OPERATIONS = 100
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


class TransactionError(Exception):
    """The operation at `index` (from 0) was refused, and with it the whole transaction."""

    def __init__(self, index: int, error: ServiceError) -> None:
        super().__init__(f"{index}: {error}")
        self.index = index
        self.error = error


class PartRequest(NamedTuple):
    """One request inside the change set."""

    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes


class PartResponse(NamedTuple):
    """One response inside the change set."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse_transaction(content_type: str, body: bytes) -> list[Operation]:
    """The operations; raises TransactionError, or ServiceError when the body is no transaction."""
    requests = _requests(content_type, body)
    if not requests:
        raise ServiceError("InvalidInput", "The batch holds no operation.")
    if len(requests) > MAX_OPERATIONS:
        detail = f"The batch request operation exceeds the maximum {MAX_OPERATIONS} changes per change set."
        raise TransactionError(MAX_OPERATIONS - 1, ServiceError("InvalidInput", detail))
    operations: list[Operation] = []
    rows: set[str] = set()
    for index, request in enumerate(requests):
        try:
            operation = _operation(request)
            _check_place(operations, rows, operation)
        except ServiceError as error:
            raise TransactionError(index, error) from error
        operations.append(operation)
        rows.add(operation.row)
    return operations


def _operation(request: PartRequest) -> Operation:
    headers = request.headers
    method = headers.get("x-http-method", request.method) if request.method == "POST" else request.method
    address = parse_address(request.raw_path, ACCOUNT)
    return parse_operation(method, address, headers.get("if-match"), headers.get("prefer", ""), request.body)


def _check_place(before: Sequence[Operation], rows: set[str], operation: Operation) -> None:
    if not before:
        return
    first = before[0]
    if Verb.GET in {operation.verb, first.verb}:
        raise ServiceError("InvalidInput", "A query must be the only operation of its batch.")
    if operation.table.lower() != first.table.lower() or operation.partition != first.partition:
        raise ServiceError("CommandsInBatchActOnDifferentPartitions")
    if operation.row in rows:
        raise ServiceError("InvalidDuplicateRow", operation.row)


def _requests(content_type: str, body: bytes) -> list[PartRequest]:
    requests: list[PartRequest] = []
    for headers, content in _parts(content_type, body):
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            requests += [_request(inner) for _, inner in _parts(kind, content)]
        else:
            requests.append(_request(content))
    return requests


def _parts(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    found = _BOUNDARY.search(content_type)
    if not found:
        raise ServiceError("InvalidInput", "The batch names no boundary.")
    # The line break before a delimiter belongs to the delimiter (RFC 2046, section 5.1.1).
    delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(found.group(1).encode()) + rb"(--)?[ \t]*(?=\r?\n|$)")
    marks = list(delimiter.finditer(body))
    return [
        _headed(body[mark.end() : following.start()].removeprefix(b"\r").removeprefix(b"\n"))
        for mark, following in pairwise(marks)
    ]


def _headed(part: bytes) -> tuple[dict[str, str], bytes]:
    head, _, content = part.replace(b"\r\n", b"\n").partition(b"\n\n")
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, content


def _request(content: bytes) -> PartRequest:
    line, _, rest = content.lstrip(b"\n").partition(b"\n")
    words = line.decode("latin-1").strip().split(" ")
    if len(words) != 3:
        raise ServiceError("InvalidInput", "A part of the batch is not an HTTP request.")
    headers, body = _headed(rest)
    return PartRequest(words[0].upper(), urlsplit(words[1]).path, headers, body)


def render_transaction(responses: Sequence[PartResponse]) -> tuple[str, bytes]:
    """Content type and body of the answer."""
    batch, changes = f"batchresponse_{uuid.uuid4()}", f"changesetresponse_{uuid.uuid4()}"
    parts = [f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changes}\r\n\r\n".encode()]
    for response in responses:
        parts.append(
            f"--{changes}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n".encode()
        )
        parts.extend(f"{name}: {value}\r\n".encode() for name, value in response.headers.items())
        parts.append(b"\r\n" + response.body + b"\r\n")
    parts.append(f"--{changes}--\r\n--{batch}--\r\n".encode())
    return f"multipart/mixed; boundary={batch}", b"".join(parts)
