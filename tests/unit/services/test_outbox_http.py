from __future__ import annotations

import base64
import hashlib
import json
from email.utils import formatdate

import pytest
from aiohttp.test_utils import TestClient, TestServer

from local.services.outbox.authentication import ACCESS_KEY, problem, signature
from local.services.outbox.server import Outbox
from local.services.outbox.store import Message

SMS = "/sms?api-version=2021-03-07"
EMAIL = "/emails:send?api-version=2025-09-01"
TO = [{"address": "ann@example.org"}]


@pytest.fixture
async def outbox(tmp_path):
    made = Outbox(tmp_path, email_seconds=30.0)
    yield made
    await made.close()


@pytest.fixture
async def client(outbox):
    async with TestClient(TestServer(outbox._runner.app)) as found:
        yield found


def signed(client, path: str, body: bytes, method: str = "POST", **changes: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    host, date = f"127.0.0.1:{client.port}", changes.pop("date", formatdate(usegmt=True))
    proof = signature(method, path, date, host, digest, key=changes.pop("key", ACCESS_KEY))
    return {
        "Authorization": f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={proof}",
        "x-ms-date": date,
        "x-ms-content-sha256": digest,
        "Content-Type": "application/json",
        **changes,
    }


async def post(client, path: str, data, **changes: str):
    body = json.dumps(data).encode()
    answer = await client.post(path, data=body, headers=signed(client, path, body, **changes))
    return answer.status, await answer.json(), answer.headers


def text(*numbers: str, **fields) -> dict:
    return {"from": "+18005551234", "message": "hi", "smsRecipients": [{"to": n} for n in numbers], **fields}


def mail(**fields) -> dict:
    content = {"subject": "s", "plainText": "t"}
    return {"senderAddress": "a@example.org", "content": content, "recipients": {"to": TO}, **fields}


async def test_each_recipient_of_a_text_has_a_status(client):
    status, body, _ = await post(client, SMS, text("+4915112345678", "0151"))

    assert status == 202
    good, bad = body["value"]
    assert (good["httpStatusCode"], good["successful"]) == (202, True)
    assert (bad["httpStatusCode"], bad["successful"]) == (400, False)
    assert "messageId" not in bad


@pytest.mark.parametrize(
    "data", [text(), text(*["+4915112345678"] * 101), text("+4915112345678", message="x" * 2049), {"from": "x"}, []]
)
async def test_a_text_that_is_none_is_refused(client, data):
    status, body, headers = await post(client, SMS, data)
    assert (status, body["error"]["code"], headers["x-ms-error-code"]) == (400, "BadRequest", "BadRequest")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Authorization": "Bearer x"}, "Authorization"),
        ({"key": "YQ=="}, "signature"),
        ({"date": formatdate(0, usegmt=True)}, "clock"),
        ({"date": "yesterday"}, "x-ms-date"),
        ({"x-ms-content-sha256": "YQ=="}, "hash"),
    ],
)
async def test_what_is_not_signed_is_denied(client, changes, reason):
    status, body, _ = await post(client, SMS, text("+4915112345678"), **changes)
    assert (status, body["error"]["code"]) == (401, "Denied")
    assert reason in body["error"]["message"]


def test_the_path_is_signed_as_it_is_or_decoded():
    date, digest = formatdate(usegmt=True), base64.b64encode(hashlib.sha256(b"").digest()).decode()
    for path in ("/a:b?x=1", "/a%3Ab?x=1"):
        proof = signature("GET", path, date, "h", digest, key=ACCESS_KEY)
        authorization = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={proof}"
        headers = {"Authorization": authorization, "x-ms-date": date, "x-ms-content-sha256": digest, "Host": "h"}
        assert problem("GET", "/a%3Ab?x=1", headers, b"") == ""


async def test_the_api_version_is_required(client):
    status, body, _ = await post(client, "/sms", text("+4915112345678"))
    assert (status, body["error"]["code"]) == (400, "MissingApiVersionParameter")


async def test_an_email_is_an_operation(client):
    status, body, headers = await post(client, EMAIL, mail())

    assert (status, body["status"]) == (202, "Running")
    assert int(headers["Retry-After"]) > 20
    path = headers["Operation-Location"].partition(f":{client.port}")[2]
    assert path == f"/emails/operations/{body['id']}?api-version=2025-09-01"
    answer = await client.get(path, headers=signed(client, path, b"", "GET"))
    assert (answer.status, (await answer.json())["status"]) == (200, "Running")


async def test_an_operation_id_means_one_email(client):
    operation = {"Operation-Id": "11111111-2222-3333-4444-555555555555"}
    first = await post(client, EMAIL, mail(), **operation)
    second = await post(client, EMAIL, mail(), **operation)
    third = await post(client, EMAIL, mail(senderAddress="b@example.org"), **operation)

    assert first[:2] == second[:2]
    assert first[1]["id"] == operation["Operation-Id"]
    assert (third[0], third[1]["error"]["code"]) == (409, "Conflict")
    assert len((await (await client.get("/outbox")).json())["messages"]) == 1


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"senderAddress": "nobody"}, {}),
        ({"content": {"subject": "s"}}, {}),
        ({"content": {"subject": "", "html": "x"}}, {}),
        ({"recipients": {}}, {}),
        ({"recipients": {"to": TO * 51}}, {}),
        ({"recipients": {"bcc": [{"address": "x"}]}}, {}),
        ({}, {"Operation-Id": "1"}),
    ],
)
async def test_an_email_that_is_none_is_refused(client, fields, headers):
    status, _, _ = await post(client, EMAIL, mail(**fields), **headers)
    assert status == 400


async def test_an_unknown_operation_is_not_found(client):
    path = "/emails/operations/x?api-version=2025-09-01"
    answer = await client.get(path, headers=signed(client, path, b"", "GET"))
    assert answer.status == 404


async def test_messages_are_found_by_recipient_kind_and_time(client, outbox):
    for number in range(5):
        outbox._store.add(Message("sms" if number % 2 else "email", "sms", "me", f"to{number % 3}", f"text {number}"))

    async def found(query: str) -> list[str]:
        return [message["text"][-1] for message in (await (await client.get(f"/outbox{query}")).json())["messages"]]

    assert await found("") == list("01234")
    assert await found("?to=to0") == list("03")
    assert await found("?kind=sms") == list("13")
    assert await found("?to=to1&kind=sms") == list("1")
    assert await found("?after=3") == list("34")
    assert await found("?limit=2") == list("34")
    assert await found("?since=2000-01-01") == list("01234")
    assert await found("?since=2000-01-01T00:00:00%2B02:00&to=to2") == list("2")
    assert await found("?since=2999-01-01T00:00:00Z") == []
    assert (await client.get("/outbox?since=soon")).status == 400
    assert (await client.get("/outbox?after=-1")).status == 400
    assert await (await client.delete("/outbox")).json() == {"removed": 5}
    assert await found("") == []


async def test_the_page_shows_messages_and_runs_nothing_of_them(client, outbox):
    evil = "<script>alert(1)</script>"
    number = outbox._store.add(Message("email", "smtp", "me", "ann", evil, subject=evil, html=evil))
    page = await client.get("/")
    html = await client.get(f"/outbox/{number}/html")

    assert evil not in await page.text()
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert html.headers["Content-Security-Policy"].startswith("sandbox")
    assert (await client.get("/outbox/999/html")).status == 404


@pytest.mark.parametrize("headers", [{"Host": "evil.example:80"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_pages_of_elsewhere_get_nothing(client, headers):
    assert (await client.get("/outbox", headers=headers)).status == 403


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({}, "`service`"),
        ({"service": "fax"}, "'service'"),
        ({"service": "sms"}, "'status'"),
        ({"service": "sms", "at": "rcpt"}, "'at'"),
        ({"service": "sms", "rate": 2}, "'rate'"),
        ({"service": "sms", "status": 99}, "'status'"),
        ({"service": "sms", "status": 500, "drop": True}, "'status'"),
        ({"service": "sms", "odd": 1}, "`odd`"),
        ({"service": "sms", "times": "x"}, "$.times"),
        ({"service": "sms", "times": 0}, "'times'"),
        ({"service": "sms", "status": 429, "retryAfter": -1}, "'retryAfter'"),
        ({"service": "sms", "status": 429, "retryAfter": None}, "$.retryAfter"),
        ({"service": "sms", "status": 429, "retryAfter": True}, "$.retryAfter"),
        ({"service": "sms", "status": 429, "retryAfter": "1\n2"}, "'retryAfter'"),
        ({"service": "sms", "status": 429, "code": "a\r\nb"}, "'code'"),
        ({"service": "sms", "at": "recipient", "drop": True}, "'drop'"),
        ({"service": "email", "at": "operation", "status": 500}, "'status'"),
        ({"service": "email", "at": "status", "status": 500, "taken": True}, "'taken'"),
        ({"service": "email", "at": "status", "status": 500, "recipient": "ann@example.org"}, "'recipient'"),
        ({"service": "smtp", "status": 421, "html": True}, "'html'"),
        ({"service": "smtp", "status": 421, "retryAfter": 5}, "'retryAfter'"),
        ({"service": "smtp", "status": 451, "at": "rcpt", "taken": True}, "'taken'"),
        ({"service": "smtp", "status": 451, "message": "4.0.0 no\r\n250 yes"}, "'message'"),
    ],
)
async def test_a_fault_that_is_none_is_refused_naming_the_field(client, fault, named):
    refused = await client.post("/admin/faults", json=fault)
    assert refused.status == 400
    assert named in (await refused.json())["error"]["message"]
    assert (await (await client.get("/admin/faults")).json())["faults"] == []


async def test_faults_strike_by_recipient_and_as_often_as_told(client):
    ann = "+4915112345678"
    made = await client.post("/admin/faults", json={"service": "sms", "status": 503, "recipient": ann, "times": 2})
    statuses = [(await post(client, SMS, text(number)))[0] for number in ("+4915112345679", ann, ann, ann)]

    assert statuses == [202, 503, 503, 202]
    rule = (await made.json())["id"]
    assert await (await client.delete(f"/admin/faults/{rule}")).json() == {"removed": 1}


async def test_faults_and_refusals_outlive_a_restart(tmp_path, outbox):
    from local.services.outbox.faults import Faults
    from local.services.outbox.store import Store

    Faults(outbox._store).demand({"service": "smtp", "status": 451})
    outbox._store.set_refusal("ann", refuses=True)
    again = Store(tmp_path)
    assert [rule.status for rule in Faults(again).rules] == [451]
    assert again.refusals() == ["ann"]
    again.set_refusal("ann", refuses=False)
    assert not again.refuses("ann")
    again.close()


async def test_a_rate_of_faults_is_kept_roughly(outbox):
    from local.services.outbox.faults import Faults

    faults = Faults(outbox._store, seed=1)
    faults.demand({"service": "email", "status": 500, "rate": 0.3})
    struck = sum(faults.choose("email", "request", []) is not None for _ in range(1000))
    assert 250 < struck < 350


async def test_who_refuses_is_kept_by_recipient(client):
    assert await (await client.put("/admin/refusals/+4915112345678")).json() == {"refusals": ["+4915112345678"]}
    assert (await post(client, SMS, text("+4915112345678")))[1]["value"][0]["successful"] is False
    assert await (await client.delete("/admin/refusals/+4915112345678")).json() == {"refusals": []}


async def page(client) -> str:
    answer = await client.get("/")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    return await answer.text()


async def test_the_page_of_nothing(client):
    assert "No e-mail and no text message" in await page(client)


async def test_the_page_tells_when_there_is_more_than_it_shows(client, outbox):
    for number in range(100):
        outbox._store.add(Message("sms", "sms", "+1", "+2", f"text {number}"))
    assert "All of them" not in await page(client)
    outbox._store.add(Message("email", "email", "a@example.org", "<b@example.org>", "the newest", html="<p>x</p>"))
    shown = await page(client)
    assert shown.count("<article>") == 100
    assert "text 0<" not in shown
    assert "the newest" in shown
    assert "&lt;b@example.org&gt;" in shown
    assert '<iframe sandbox src="/outbox/101/html"' in shown
    assert '<a href="/outbox?limit=5000">' in shown
