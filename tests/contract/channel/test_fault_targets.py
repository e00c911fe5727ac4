"""Faults by what they strike: each call of clients and of the bot, open WebSockets, one user, one conversation."""

import asyncio

import aiohttp
import pytest

from tests.contract.channel.conftest import SECRET, Client

CUT = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def used(channel):
    rules = (await channel.call("GET", "/admin/faults", token=None)).body["faults"]
    return [rule.get("used", 0) for rule in rules]


@pytest.mark.parametrize(
    ("operation", "method", "path", "body"),
    [
        ("token", "POST", "/tokens/generate", {}),
        ("token", "POST", "/tokens/refresh", None),
        ("start", "POST", "/conversations", {"user": {"id": "dl_ann"}}),
        ("reconnect", "GET", "/conversations/{}", None),
        ("get", "GET", "/conversations/{}/activities", None),
        ("post", "POST", "/conversations/{}/activities", {"type": "message", "text": "x", "from": {"id": "dl_ann"}}),
        ("upload", "POST", "/conversations/{}/upload?userId=dl_ann", "file"),
        ("stream", "GET", "/conversations/{}/stream", None),
    ],
)
async def test_every_call_of_clients_can_be_struck(channel, bot, operation, method, path, body):
    conversation, token, _ = await channel.open()
    credential = token if path.endswith(("refresh", "stream")) else SECRET
    await channel.fault(preset="503", operations=["update", "turn"])
    await channel.fault_once(preset="429-retry-after", operations=[operation])
    answer = await channel.dl(method, path.format(conversation), body, token=credential)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "TooManyRequests", "2")
    # aiohttp's client itself tries a GET once more on a new connection.
    await channel.fault(preset="drop", operations=["directline"])
    with pytest.raises(aiohttp.ClientError):
        await channel.dl(method, path.format(conversation), body, token=credential)
    untouched, once, dropped = await used(channel)
    assert (untouched, once) == (0, 1)
    assert dropped >= 1


@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("members", "GET", "/conversations/{}/members"),
        ("members", "GET", "/conversations/{}/pagedmembers"),
        ("members", "GET", "/conversations/{}/members/dl_ann"),
        ("conversations", "GET", "/conversations"),
        ("attachments", "POST", "/conversations/{}/attachments"),
        ("create", "POST", "/conversations"),
        ("send", "POST", "/conversations/{}/activities"),
        ("send", "POST", "/conversations/{}/activities/history"),
        ("update", "PUT", "/conversations/{}/activities/1"),
        ("delete", "DELETE", "/conversations/{}/activities/1"),
    ],
)
async def test_every_call_of_the_bot_can_be_struck(channel, bot, operation, method, path):
    conversation, _, _ = await channel.open()
    everything = {"read", "send", "update", "delete", "create"}
    others = everything - {operation, "read" if operation in ("members", "conversations", "attachments") else operation}
    await channel.fault(preset="500", operations=sorted(others))
    await channel.fault_once(preset="503", operations=[operation])
    body = None if method in ("GET", "DELETE") else {"type": "message", "activities": [], "members": [{"id": "dl_ann"}]}
    answer = await channel.call(method, f"/v3{path.format(conversation)}", body, token=None)
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")


async def test_the_token_endpoint_can_be_struck(tmp_path, bot):
    client = Client(tmp_path / "auth", bot, auth=True, faults=("503,operations=login,times=1",))
    await client.start()
    answer = await client.call("POST", "/oauth2/v2.0/token", token=None, data=b"grant_type=client_credentials")
    assert answer.status == 503
    answer = await client.call("POST", "/oauth2/v2.0/token", token=None, data=b"grant_type=client_credentials")
    assert answer.status in (400, 401)
    await client.stop()


async def test_one_user_alone_can_be_struck(channel, bot):
    await channel.fault(preset="503", operations=["token", "start", "post", "send", "create"], user="dl_bob")
    answers = {}
    for user in ("dl_ann", "dl_bob"):
        generated = await channel.dl("POST", "/tokens/generate", {"user": {"id": user}})
        started = await channel.dl("POST", "/conversations", {"user": {"id": user}})
        created = await channel.call(
            "POST", "/v3/conversations", {"members": [{"id": user}], "activity": {"type": "message"}}, token=None
        )
        answers[user] = (generated.status, started.status, created.status)
    assert answers == {"dl_ann": (200, 201, 201), "dl_bob": (503, 503, 503)}
    conversation, token, _ = await channel.open("dl_ann")
    assert (await channel.say(conversation, token, "x")).status == 200
    # The secret may speak for anybody; a token cannot be talked out of its user.
    assert (await channel.say(conversation, SECRET, "x", **{"from": {"id": "dl_bob"}})).status == 503
    await channel.call("DELETE", "/admin/faults", token=None)
    conversation, token, _ = await channel.open("dl_bob")
    await channel.fault_once(preset="503", operations=["post"], user="dl_bob")
    assert (await channel.say(conversation, token, "x", **{"from": {"id": "dl_ann"}})).status == 503
    bot.echoes = False
    await channel.say(conversation, token, "hi")
    await channel.fault_once(preset="503", user="dl_bob")
    assert (await bot.say(bot.of_type("message")[-1], "x"))[0] == 503


async def test_a_late_turn_is_no_longer_than_a_turn(channel, bot, monkeypatch):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    monkeypatch.setattr("local.channel.turns.TURN_SECONDS", 0.2)
    await channel.fault_once(delay=600, operations=["turn"])
    bot.delay = 30
    answer = await asyncio.wait_for(channel.say(conversation, token, "x"), 60)
    assert (answer.status, answer.code) == (504, "BotTimeout")
    monkeypatch.undo()
    bot.delay = 0
    assert (await channel.say(conversation, token, "y")).status == 200
    assert "x" not in await channel.texts(conversation, token)


async def test_the_pages_token_can_be_struck(channel, bot):
    async def granted(**body):
        return await channel.call("POST", "/page/token", body, token=None)

    await channel.fault_once(preset="503", operations=["token"])
    other_site = await channel.call("POST", "/page/token", {}, token=None, headers={"Origin": "https://evil.example"})
    assert other_site.status == 403
    answer = await granted(user="dl_ann")
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    mine = (await granted(user="dl_ann")).body["conversationId"]
    await channel.fault(preset="429", operations=["token"], user="dl_bob")
    await channel.fault(preset="500", operations=["token"], conversation=mine)
    assert (await granted(user="dl_bob")).status == 429
    assert (await granted(user="dl_ann", conversationId=mine)).status == 500
    assert (await granted(user="dl_ann")).status == 200


async def next_text(stream):
    frame = await asyncio.wait_for(stream.receive_json(), 20)
    return [activity["text"] for activity in frame["activities"]], frame["watermark"]


@pytest.mark.parametrize("taken", [True, False])
async def test_an_open_stream_is_dropped_and_goes_on_from_its_watermark(channel, bot, taken):
    conversation, token, started = await channel.open()
    bot.echoes = False
    async with channel.session.ws_connect(started["streamUrl"]) as stream:
        await channel.say(conversation, token, "one")
        texts, watermark = await next_text(stream)
        assert texts == ["one"]
        await channel.fault_once(
            preset="drop-taken" if taken else "drop", operations=["frame"], conversation=conversation
        )
        await channel.say(conversation, token, "two")
        if taken:
            texts, watermark = await next_text(stream)
            assert texts == ["two"]
        end = await asyncio.wait_for(stream.receive(), 20)
        assert end.type in CUT
    await channel.say(conversation, token, "three")
    again = await channel.dl("GET", f"/conversations/{conversation}?watermark={watermark}", token=token)
    async with channel.session.ws_connect(again.body["streamUrl"]) as stream:
        assert (await next_text(stream))[0] == ["three"] if taken else ["two", "three"]


async def test_frames_can_be_late_and_come_twice(channel, bot):
    conversation, token, started = await channel.open()
    bot.echoes = False
    async with channel.session.ws_connect(started["streamUrl"]) as stream:
        await channel.fault_once(twice=True, delay=0.05, operations=["frame"])
        await channel.say(conversation, token, "one")
        assert await next_text(stream) == await next_text(stream)
        await channel.say(conversation, token, "two")
        assert (await next_text(stream))[0] == ["two"]


async def test_quiet_streams_are_cut_by_conversation_by_user_or_all(channel, bot):
    streams, conversations = [], []
    for user in ("dl_ann", "dl_bob", "dl_bob"):
        conversation, _, started = await channel.open(user)
        conversations.append(conversation)
        streams.append(await channel.session.ws_connect(started["streamUrl"]))
    while (await channel.call("GET", "/healthz", token=None)).body["streams"] < 3:
        await asyncio.sleep(0.02)

    async def cut(query=""):
        return (await channel.call("DELETE", f"/admin/streams{query}", token=None)).body["dropped"]

    async def left(count):
        while (await channel.call("GET", "/healthz", token=None)).body["streams"] != count:
            await asyncio.sleep(0.02)

    assert await cut("?user=nobody") == 0
    assert await cut(f"?conversation={conversations[1]}") == 1
    assert (await asyncio.wait_for(streams[1].receive(), 20)).type in CUT
    await left(2)
    assert await cut("?user=dl_bob") == 1
    await left(1)
    assert await cut() == 1
    await left(0)
    for stream in streams:
        await stream.close()
