"""Arbitrary JSON, bytes, queries and headers at every route: an answer that is documented, and a quiet log."""

import asyncio
import io
import json
import logging
import random
import re
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.local_channel import SECRET

ROUNDS = 12
NAMES = (
    "type", "id", "text", "from", "recipient", "conversation", "attachments", "entities", "channelData", "value", "name",
    "timestamp", "localTimestamp", "suggestedActions", "actions", "members", "membersAdded", "isGroup", "activity",
    "activities", "tenantId", "tenant", "user", "User", "trustedOrigins", "locale", "channelId", "deliveryMode",
    "contentUrl", "contentType", "originalBase64", "thumbnailBase64", "preset", "operations", "rate", "times", "delay",
    "status", "enabled", "conversationId", "fresh", "mentioned", "deliveryId", "topicName", "conversationType", "", "\x00",
)  # fmt: skip
SCALARS = (
    None, True, False, 0, -1, 2**63, 10**30, 1.5, -1e300, "", "x", "message", "event", "typing", "invoke", "messageDelete",
    "conversationUpdate", "endOfConversation", "msteams", "directline", "expectReplies", "groupChat", "dl_ann", "\x00",
    "\ufffe\U0001f98a", "@Bot", "-", "../..", "x" * 5000, "2026-11-21T12:00:00Z", "AAAA", "***", "429", "send", "mention",
)  # fmt: skip
BODIES = (
    b"", b" ", b"{", b"null", b"[]", b'"x"', b"\xff\xfe{}", b"\x00", b"1e999", b"9" * 5000, b'{"a":' * 300, b"[" * 3000,
    b'{"type":"message","value":' + b"9" * 5000 + b"}", b'{"a":1,}', b"{}{}", b"\xef\xbb\xbf{}", b'{"\\ud800": 1}',
)  # fmt: skip
KINDS = (
    "application/json", "text/plain", "", "application/json; charset=nonsense", "multipart/form-data; boundary=x",
    "multipart/form-data", "multipart/mixed; boundary=x", "application/x-www-form-urlencoded", "\u00e9/\u00e9", "a" * 300,
)  # fmt: skip
TOO_SLOW_TO_END = "/admin/wire/stream"
DOCUMENTED = {200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 411, 413, 415, 426}


def value(dice, depth=3):
    chosen = dice.random()
    if depth == 0 or chosen < 0.5:
        return dice.choice(SCALARS)
    if chosen < 0.65:
        return [value(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {dice.choice(NAMES): value(dice, depth - 1) for _ in range(dice.randrange(5))}


def body(dice):
    chosen = dice.random()
    if chosen < 0.25:
        return dice.choice(BODIES)
    if chosen < 0.35:
        return dice.randbytes(dice.randrange(200))
    made = {"type": "message", "from": {"id": "dl_ann"}} if dice.random() < 0.6 else {}
    for _ in range(dice.randrange(5)):
        made[dice.choice(NAMES)] = value(dice)
    data = bytearray(json.dumps(made).encode())
    if dice.random() < 0.2 and data:
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def path_of(dice, resource, conversation):
    def part(match):
        if match[1] == "conversation" and dice.random() < 0.8:
            return conversation
        return quote(str(dice.choice(SCALARS))[:100] or "x", safe="")

    path = re.sub(r"\{(\w+)\}", part, resource)
    if dice.random() < 0.5:
        name = dice.choice(
            ("watermark", "userId", "pageSize", "continuationToken", "t", "after", "conversation", "list")
        )
        path += f"?{name}=" + dice.choice(("", "0", "%00", "%ff", "-1", "9" * 30, "x", "%F0%9F%A6%8A", "1%2F2"))
    return path


def routes_of(channel):
    listed = {
        (route.method, route.resource.canonical) for route in channel.runner.app.router.routes() if route.resource
    }
    return sorted((method, path) for method, path in listed if method != "HEAD" and path != TOO_SLOW_TO_END)


async def answered(session, method, url, data, headers):
    try:
        async with session.request(method, url, data=io.BytesIO(data), headers=headers) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), await answer.read()
    except aiohttp.ClientError as error:
        raise AssertionError(f"{method} {url} {headers} {data!r}") from error


@pytest.fixture
async def session():
    """A connection a request: one that was refused before its body was read is closed."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as made:
        yield made


@pytest.mark.parametrize("seed", range(4))
async def test_anything_at_every_route(channel, session, bot, caplog, seed):
    bot.echoes = False
    dice = random.Random(seed)
    conversation, token, _ = await channel.open()
    teams, _, _ = await channel.open("29:ann", channelId="msteams")
    with caplog.at_level(logging.WARNING):
        for method, resource in routes_of(channel) * ROUNDS:
            path = path_of(dice, resource, dice.choice((conversation, teams)))
            data = body(dice)
            headers = {"Content-Type": dice.choice(KINDS) if dice.random() < 0.3 else KINDS[0]}
            if dice.random() < 0.9:
                headers["Authorization"] = f"Bearer {dice.choice((SECRET, token))}"
            if dice.random() < 0.1:
                headers["Content-Encoding"] = dice.choice(("gzip", "deflate", "nonsense"))
            url = URL(channel.url + path, encoded=True)
            status, kind, answer = await answered(session, method, url, data, headers)
            said = (method, path, headers, data, status, answer[:300])
            assert status in DOCUMENTED, said
            if status >= 400:
                assert "json" in kind, said
                error = json.loads(answer)["error"]
                assert error if isinstance(error, str) else error["code"] and error["message"], said
            if resource.startswith("/admin/"):
                # What was hit by chance there must not decide about the rest.
                await channel.call("DELETE", "/admin/faults", token=None)
                await channel.call("PUT", "/admin/limits", {"enabled": False}, token=None)
    assert [
        record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR
    ] == []
    assert (await channel.say(conversation, token, "still here")).status == 200
    assert (await channel.call("GET", "/admin/wire", token=None)).status == 200


HEADERS = (
    b"Authorization",
    b"Content-Disposition",
    b"Content-Type",
    b"Origin",
    b"Host",
    b"Last-Event-ID",
    b"X-Forwarded-Proto",
)
VALUES = (b"\xff\xfe", b"Bearer \xff\xfe", b"Bearer \xe2\x82\xac", b'form-data; filename="\xff"', b"basic \xff", b"=?utf-8?q?=ff?=", b"a/b; c=\xe9",
          b"form-data; filename*=utf-8''%ff", b"[::1", b":", b"http://[", b"99999999999999999999")  # fmt: skip


async def test_headers_of_any_bytes(channel, caplog):
    conversation, token, _ = await channel.open()
    requests = [
        (b"POST", f"/v3/directline/conversations/{conversation}/upload?userId=dl_ann"),
        (b"POST", "/v3/directline/tokens/generate"),
        (b"GET", f"/v3/directline/conversations/{conversation}"),
        (b"GET", "/"),
        (b"POST", "/page/token"),
        (b"GET", "/admin/account"),
        (b"GET", f"/v3/conversations/{conversation}/members"),
    ]
    for method, path in requests:
        for name in HEADERS:
            for given in VALUES:
                lines = {b"Host": b"127.0.0.1", b"Authorization": b"Bearer " + token.encode(), name: given}
                head = b"".join(b"%b: %b\r\n" % line for line in lines.items())
                reader, writer = await asyncio.open_connection("127.0.0.1", channel.port)
                writer.write(
                    b"%b %b HTTP/1.1\r\n%bContent-Length: 2\r\nConnection: close\r\n\r\n{}"
                    % (method, path.encode(), head)
                )
                answer = await asyncio.wait_for(reader.read(), 60)
                writer.close()
                await writer.wait_closed()
                status = int(answer.split(b" ")[1])
                assert status in DOCUMENTED, (method, path, name, given, answer[:500])
    assert [
        record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR
    ] == []
