"""Whatever is sent, the answer is a documented error body; nothing crashes the channel."""

import asyncio
import itertools

import pytest
from yarl import URL

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
    async with channel.session.request(method, url, data=body, headers=sent) as answer:
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
        {"from": "ann"},
        {"from": {"id": 7}},
        {"conversation": "other"},
        {"channelData": []},
        {"attachments": {"a": 1}},
        {"attachments": [1, None]},
        {"text": {"x": 1}},
        {"id": ["x"]},
        {"timestamp": 5, "locale": 7, "recipient": 3},
        {"type": "x" * 10000},
        {"deliveryMode": "expectReplies"},
    ],
)
async def test_activities_with_odd_properties_pass_or_are_400(channel, bot, changes):
    conversation, token, _ = await channel.open()
    bot.echoes = False
    activity = {"type": "message", "text": "hi", "from": {"id": "dl_ann"}, **changes}
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", activity, token=token)
    assert answer.status in (200, 400)
    await channel.activities(conversation, token)
    question = {"serviceUrl": channel.url, "conversation": {"id": conversation}}
    for path in ("/activities", "/activities/x"):
        status, body = await bot.call("POST", question, path, {"type": "message", **changes})
        assert status in (200, 400), body
    await channel.activities(conversation, token)


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
