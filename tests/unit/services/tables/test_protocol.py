"""What clients other than azure-data-tables may send, and what the wire looks like."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from local.services.tables.authentication import ACCOUNT, WELL_KNOWN_KEY
from local.services.tables.server import TableServer
from local.services.tables.store import Store


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


class Client:
    """Signs as the documentation says."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def __call__(self, method: str, path: str, *, lite: bool = False, body=None, **headers: str):
        date = formatdate(usegmt=True)
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json" if content else "")
        resource = f"/{ACCOUNT}/{ACCOUNT}{path.partition('?')[0]}"
        text = f"{date}\n{resource}" if lite else f"{method}\n\n{kind}\n{date}\n{resource}"
        signature = base64.b64encode(hmac.digest(base64.b64decode(WELL_KNOWN_KEY), text.encode(), hashlib.sha256))
        scheme = "SharedKeyLite" if lite else "SharedKey"
        sent = {
            "x-ms-date": date,
            "Authorization": f"{scheme} {ACCOUNT}:{signature.decode()}",
            "Accept": "application/json",
            **({"Content-Type": kind} if kind else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        url = f"{self.base}/{ACCOUNT}{path}"
        async with self.session.request(
            method, url, data=io.BytesIO(content) if content else None, headers=sent
        ) as response:
            return Answer(response.status, response.headers, await response.read())


@pytest.fixture
async def client(tmp_path):
    async with TestServer(TableServer(Store(tmp_path)).application()) as server, aiohttp.ClientSession() as session:
        yield Client(session, str(server.make_url("")).rstrip("/"))


async def test_the_light_signature_does_too(client):
    assert (await client("POST", "/Tables", body={"TableName": "Any"}, lite=True)).status == 201
    assert (await client("GET", "/Tables", lite=True)).status == 200


@pytest.mark.parametrize("header", ["", "SharedKey other:x", "Bearer x", f"SharedKey {ACCOUNT}:AAAA", "SharedKey"])
async def test_who_does_not_sign_is_refused(client, header):
    response = await client("GET", "/Tables", Authorization=header)

    assert response.status == 403
    assert response.headers["x-ms-error-code"] == "AuthenticationFailed"


async def test_an_error_is_json_in_the_form_of_the_service(client):
    response = await client("GET", "/Missing()", **{"x-ms-client-request-id": "my-id"})
    body = response.json()

    assert response.status == 404
    assert body["odata.error"]["code"] == response.headers["x-ms-error-code"] == "TableNotFound"
    text = r"The table specified does not exist\.\nRequestId:[-0-9a-f]{36}\nTime:\d{4}-.*Z"
    assert re.fullmatch(text, body["odata.error"]["message"]["value"])
    assert body["odata.error"]["message"]["lang"] == "en-US"
    assert response.headers["x-ms-client-request-id"] == "my-id"
    assert response.headers["x-ms-request-id"]


async def test_metadata_by_level(client):
    await client("POST", "/Tables", body={"TableName": "Any"})
    entity = {"PartitionKey": "p", "RowKey": "r", "n": 1, "d": 2.0, "i": "3", "i@odata.type": "Edm.Int64"}
    path = "/Any(PartitionKey='p',RowKey='r')"
    created = await client("POST", "/Any", body=entity)
    minimal = (await client("GET", path)).json()
    full = (await client("GET", path, Accept="application/json;odata=fullmetadata")).json()
    none = (await client("GET", f"{path}?$format=application/json;odata=nometadata")).json()

    assert created.status == 201
    assert list(minimal)[:2] == ["odata.metadata", "odata.etag"]
    assert minimal["i@odata.type"] == "Edm.Int64"
    assert "n@odata.type" not in minimal
    assert b'"d":2.0' in (await client("GET", path)).body
    assert full["odata.id"].endswith(path)
    assert full["Timestamp@odata.type"] == "Edm.DateTime"
    assert not [name for name in none if "odata" in name]
    assert none["i"] == "3"


@pytest.mark.parametrize("accept", ["application/atom+xml", "application/xml", "text/html"])
async def test_only_json_is_served(client, accept):
    assert (await client("GET", "/Tables", Accept=accept)).status == 415


async def test_merge_in_the_ways_of_old_clients(client):
    await client("POST", "/Tables", body={"TableName": "Any"})
    path = "/Any(PartitionKey='p',RowKey='r')"
    for number, (method, headers) in enumerate([("MERGE", {}), ("PATCH", {}), ("POST", {"X_HTTP_Method": "MERGE"})]):
        assert (await client(method, path, body={f"n{number}": 1}, **headers)).status == 204
    found = (await client("GET", path)).json()

    assert {"n0", "n1", "n2"} <= set(found)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/Any", b"{", 400, "InvalidInput"),
        ("POST", "/Any", b"[]", 400, "InvalidInput"),
        ("POST", "/Any", b"[" * 100_000, 400, "InvalidInput"),
        ("POST", "/Any", {"PartitionKey": "p"}, 400, "PropertiesNeedValue"),
        ("POST", "/Any", {"PartitionKey": 1, "RowKey": "r"}, 400, "InvalidInput"),
        ("POST", "/Any", {"PartitionKey": "p", "RowKey": "r", "n": [1]}, 400, "InvalidInput"),
        ("POST", "/Any", {"PartitionKey": "p", "RowKey": "r", "n": 2**31}, 400, "InvalidInput"),
        ("POST", "/Any", {"PartitionKey": "p", "RowKey": "r", "n": 10**400}, 400, "InvalidInput"),
        ("POST", "/Any", {"PartitionKey": "p", "RowKey": "r", "n": "1", "n@odata.type": 5}, 400, "InvalidInput"),
        ("POST", "/Any", b'{"PartitionKey": "p", "RowKey": "r", "s": "\\ud800"}', 400, "InvalidInput"),
        ("POST", "/Any", b'{"PartitionKey": "\\ud800", "RowKey": "r"}', 400, None),
        ("POST", "/Tables", {}, 400, "PropertiesNeedValue"),
        ("POST", "/Tables", b"{", 400, "InvalidInput"),
        ("PUT", "/Any(PartitionKey='p',RowKey='r')", {"PartitionKey": "q"}, 400, "InvalidInput"),
        ("DELETE", "/Any(PartitionKey='p',RowKey='r')", None, 400, "MissingRequiredHeader"),
        ("GET", "/Any()?$top=0", None, 400, "InvalidInput"),
        ("GET", "/Any()?$top=x", None, 400, "InvalidInput"),
        ("GET", "/Any()?NextPartitionKey=nonsense", None, 400, "InvalidInput"),
        ("GET", "/Any()?NextPartitionKey=1!4!%C3%A9%C3%A9", None, 400, "InvalidInput"),
        ("GET", "/%FF", None, 400, "InvalidUri"),
        ("PUT", "/Any", {"PartitionKey": "p", "RowKey": "r"}, 405, "MethodNotAllowed"),
        ("DELETE", "/Tables", None, 405, "MethodNotAllowed"),
        ("GET", "/$batch", None, 405, "MethodNotAllowed"),
        ("GET", "/?restype=service", None, 501, "NotImplemented"),
        ("GET", "/ab", None, 400, "OutOfRangeInput"),
        ("GET", "/a-b-c", None, 400, "InvalidResourceName"),
    ],
)
async def test_what_is_wrong_is_refused_and_never_an_error_of_the_server(client, method, path, body, status, code):
    await client("POST", "/Tables", body={"TableName": "Any"})
    response = await client(method, path, body=body)

    assert response.status == status
    assert code in (None, response.headers["x-ms-error-code"])


async def test_a_body_of_more_than_4_mib_is_refused(client):
    await client("POST", "/Tables", body={"TableName": "Any"})
    response = await client("POST", "/Any", body=b" " * (4 * 1024 * 1024 + 2))

    assert response.status == 413


async def test_a_query_in_a_batch(client):
    await client("POST", "/Tables", body={"TableName": "Any"})
    await client("POST", "/Any", body={"PartitionKey": "p", "RowKey": "r", "n": 1})
    request = (
        f"GET {client.base}/{ACCOUNT}/Any(PartitionKey='p',RowKey='r') HTTP/1.1\r\nAccept: application/json\r\n\r\n"
    )
    response = await client("POST", "/$batch", body=batch([request], change_set=False), content_type=MIXED)

    assert response.status == 202
    assert b"HTTP/1.1 200 OK" in response.body
    assert b'"n":1' in response.body


async def test_operations_of_a_batch_stay_in_one_partition(client):
    await client("POST", "/Tables", body={"TableName": "Any"})
    requests = [insert(client, key, "r") for key in "ab"]
    response = await client("POST", "/$batch", body=batch(requests), content_type=MIXED)

    assert b"CommandsInBatchActOnDifferentPartitions" in response.body
    found = (await client("GET", "/Any()")).json()
    assert found["value"] == []


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"--b\r\n\r\n--b--", b"--b\r\nContent-Type: application/http\r\n\r\nx\r\n--b--"]
)
async def test_a_batch_that_is_none_is_refused(client, body):
    response = await client("POST", "/$batch", body=body, content_type=MIXED)

    assert response.status == 400


MIXED = "multipart/mixed; boundary=b"


def insert(client: Client, partition: str, row: str) -> str:
    body = json.dumps({"PartitionKey": partition, "RowKey": row, "id": str(uuid.uuid4())})
    return f"POST {client.base}/{ACCOUNT}/Any HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}"


def batch(requests: list[str], *, change_set: bool = True) -> bytes:
    http = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    if not change_set:
        return "".join(f"--b\r\n{http}{request}\r\n" for request in requests).encode() + b"--b--\r\n"
    parts = "".join(f"--c\r\n{http}{request}\r\n" for request in requests)
    return f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n".encode()
