"""Whatever is sent, the answer is a documented error body; nothing crashes the channel."""

import asyncio
import io
import itertools

import pytest
from yarl import URL

from local.channel.store import new_conversation_id
from local.channel.uploads import new_attachment
from local.channel.wire import MAX_ACTIVITY

NAMES = ("%00", "..%2f..%2fetc%2fpasswd", "%ff%fe", "x" * 3000, "%F0%9F%A6%8A", "a|b;c@d:e", "'%22--")
PATHS = (
    "/v3/directline/conversations/{}",
    "/v3/directline/conversations/{}/activities",
    "/v3/directline/conversations/{}/upload",
    "/v3/directline/conversations/{}/stream",
    "/v3/conversations/{}/activities",
    "/v3/conversations/{}/activities/{}",
    "/v3/conversations/{}/members/{}",
    "/v3/conversations/{}/pagedmembers",
    "/v3/attachments/{}",
    "/v3/attachments/{}/views/{}",
    "/attachments/{}/x",
    "/page/{}",
    "/admin/faults/{}",
    "/{}",
)
BODIES = (b"", b"null", b"[1", b'{"type": 5}', b'{"type": "message", "from": []}', b"\xff\xfe", b'{"a":' * 3000)
FINE = {200, 201, 204, 400, 401, 403, 404, 405, 413}


async def raw(channel, method, path, body=b"", **headers):
    sent = {"Authorization": "Bearer the-secret", "Content-Type": "application/json", **headers}
    url = URL(channel.url + path, encoded=True)
    async with channel.session.request(method, url, data=io.BytesIO(body), headers=sent) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
async def test_paths_of_every_kind(channel, method):
    for path, name in itertools.product(PATHS, NAMES):
        status, body = await raw(channel, method, path.replace("{}", name))
        assert status in FINE, (method, path, name, status, body)


async def test_bodies_of_every_kind(channel, bot):
    conversation, _, _ = await channel.open()
    bot.echoes = False
    for body in BODIES:
        for path in (
            "/v3/directline/tokens/generate",
            "/v3/directline/conversations",
            f"/v3/directline/conversations/{conversation}/activities",
            f"/v3/directline/conversations/{conversation}/upload",
            f"/v3/conversations/{conversation}/activities",
            f"/v3/conversations/{conversation}/activities/history",
            f"/v3/conversations/{conversation}/attachments",
            "/v3/conversations",
            "/page/token",
            "/admin/faults",
        ):
            status, answer = await raw(channel, "POST", path, body)
            assert status in FINE, (path, body, status, answer)
    await channel.call("DELETE", "/admin/faults", token=None)
    assert (await channel.say(conversation, "the-secret", "still here")).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"channelData": []},
        {"channelData": "text", "value": [5]},
        {"attachments": None, "entities": None, "timestamp": None},
        {"somethingNew": [1, {"x": 2}]},
        {"localTimestamp": "2026-11-21T12:00:00.1234567+01:00", "localTimezone": "Europe/Berlin"},
        {"type": "x" * 10000},
        {"deliveryMode": "expectReplies"},
    ],
)
async def test_activities_with_odd_properties_pass(channel, bot, changes):
    conversation, token, _ = await channel.open()
    bot.echoes = False
    activity = {"type": "message", "text": "hi", "from": {"id": "dl_ann"}, **changes}
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", activity, token=token)
    assert answer.status == 200, answer.body
    question = {"serviceUrl": channel.url, "conversation": {"id": conversation}}
    for path in ("/activities", "/activities/x"):
        status, body = await bot.call("POST", question, path, {"type": "message", **changes})
        assert status == 200, body
    await channel.activities(conversation, token)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"from": "ann"}, "from"),
        ({"from": {"id": 7}}, "from.id"),
        ({"conversation": "other"}, "conversation"),
        ({"attachments": 5}, "attachments"),
        ({"attachments": {"a": 1}}, "attachments"),
        ({"attachments": [1, None]}, "attachments[0]"),
        ({"attachments": [{"contentUrl": 1}]}, "attachments[0].contentUrl"),
        ({"entities": "a"}, "entities"),
        ({"suggestedActions": {"actions": ["x"]}}, "suggestedActions.actions[0]"),
        ({"text": {"x": 1}}, "text"),
        ({"id": ["x"]}, "id"),
        ({"type": 5}, "type"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"localTimestamp": 5}, "localTimestamp"),
        ({"locale": 7}, "locale"),
        ({"membersAdded": [{"id": {}}]}, "membersAdded[0].id"),
    ],
)
async def test_properties_of_a_wrong_type_are_400_and_named(channel, bot, changes, name):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    activity = {"type": "message", "text": "hi", "from": {"id": "dl_ann"}, **changes}
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", activity, token=token)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert f"{name!r}" in answer.body["error"]["message"]
    question = {"serviceUrl": channel.url, "conversation": {"id": conversation}}
    for path in ("/activities", "/activities/x"):
        status, body = await bot.call("POST", question, path, {"type": "message", **changes})
        assert (status, body["error"]["code"]) == (400, "BadArgument")
        assert f"{name!r}" in body["error"]["message"]
    assert await channel.activities(conversation, token) == ([], "0")
    assert [activity["type"] for activity in bot.received] == ["conversationUpdate"]


@pytest.mark.parametrize("path", ["/tokens/generate", "/conversations"])
@pytest.mark.parametrize(
    ("user", "name"), [("dl_ann", "user"), ([], "user"), ({"id": 7}, "user.id"), ({"Name": {}}, "user.name")]
)
async def test_a_user_that_is_none_is_400_and_named(channel, bot, path, user, name):
    answer = await channel.dl("POST", path, {"User": user})
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert f"{name!r}" in answer.body["error"]["message"]
    assert bot.received == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/activities", "{}"),
        ("/activities/x", "{}"),
        ("/activities/history", '{{"activities": [{}]}}'),
        ("", '{{"members": [{{"id": "dl_bob"}}], "activity": {}}}'),
    ],
)
async def test_an_activity_of_the_bot_has_the_limit_that_a_clients_has(channel, bot, path, body):
    conversation, _, _ = await channel.open()
    url = f"/v3/conversations/{conversation}{path}" if path else "/v3/conversations"
    rest = len(body.format('{"type": "message", "text": ""}'))
    for excess, accepted in ((0, True), (1, False)):
        text = "x" * (MAX_ACTIVITY - rest + excess)
        status, answer = await raw(
            channel, "POST", url, body.format(f'{{"type": "message", "text": "{text}"}}').encode()
        )
        assert (status < 300) is accepted, answer
        assert accepted or (status == 413 and b"MessageSizeTooBig" in answer)


def nested(depth):
    return b'{"type": "message", "from": {"id": "dl_ann"}, "value": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize("depth", [120, 600, 990, 5000])
async def test_json_nested_too_deep_is_400_and_the_wire_stays_readable(channel, bot, depth):
    conversation, _, _ = await channel.open()
    for base in ("/v3/directline", "/v3"):
        path = f"{base}/conversations/{conversation}/activities"
        status, body = await raw(channel, "POST", path, nested(depth))
        assert status == 400, body
        assert b"deep" in body
    assert bot.of_type("message") == []
    entries = (await channel.call("GET", "/admin/wire", token=None)).body["entries"]
    assert 400 in [entry["status"] for entry in entries]
    async with channel.session.get(f"{channel.url}/admin/wire/stream") as stream:
        assert (await stream.content.readline()).startswith(b"id: ")


async def test_json_of_a_sane_depth_passes(channel, bot):
    conversation, _, _ = await channel.open()
    path = f"/v3/directline/conversations/{conversation}/activities"
    assert (await raw(channel, "POST", path, nested(95)))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v3/directline/conversations/{}/activities",
        "/v3/directline/conversations/{}/upload",
        "/v3/conversations/{}/activities",
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_is_not_what_its_encoding_says_is_400(channel, path, kind, caplog):
    conversation, _, _ = await channel.open()
    headers = {"Content-Encoding": "gzip", "Content-Type": kind}
    async with channel.session.post(
        channel.url + path.format(conversation),
        data=io.BytesIO(b"this is not gzip"),
        headers={"Authorization": "Bearer the-secret", **headers},
    ) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "BadArgument"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_ids_are_letters_and_digits(channel):
    ids = [new_conversation_id() for _ in range(2000)] + [
        new_attachment("x", "text/plain", b"").id for _ in range(2000)
    ]
    assert all(each.isalnum() for each in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("answer", [[], {"activities": 5}, {"activities": [None, 7, {"type": 3}]}, "x", None])
async def test_odd_answers_of_the_bot(channel, bot, answer):
    conversation, token, _ = await channel.open()
    bot.echoes = False
    bot.answer = answer
    assert (await channel.say(conversation, token, "hi", deliveryMode="expectReplies")).status in (200, 502)
    assert (await channel.texts(conversation, token))[:1] in ([], ["hi"])


async def test_clients_that_leave_in_the_middle(channel, bot):
    conversation, token, _ = await channel.open()
    for head in (
        b"POST /v3/directline/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"GET / HT",
        b"\x16\x03\x01",
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", channel.port)
        writer.write(head)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    bot.delay = 0.3
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(channel.say(conversation, token, "gone"), 0.1)
    await asyncio.sleep(0.5)
    bot.delay = 0
    assert (await channel.say(conversation, token, "hi")).status == 200
    assert await channel.texts(conversation, token) == ["gone", "echo: gone", "hi", "echo: hi"]
