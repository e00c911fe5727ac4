"""The WebSocket stream: replay, order, reconnect, typing."""

import asyncio
import json

import pytest

from local.channel import store, tokens


async def test_the_stream_replays_what_came_before_it_opened(channel, bot):
    conversation, token, started = await channel.open()
    await channel.say(conversation, token, "hi")
    activities, watermark = await channel.frames(started["streamUrl"], 2)
    assert [activity["text"] for activity in activities] == ["hi", "echo: hi"]
    assert watermark == (await channel.activities(conversation, token))[1]


async def test_the_stream_shows_what_comes_while_it_is_open(channel, bot):
    conversation, token, started = await channel.open()
    reading = asyncio.ensure_future(channel.frames(started["streamUrl"], 4))
    await channel.say(conversation, token, "one", channelData={"clientActivityID": "c1"})
    await channel.say(conversation, token, "two")
    activities, _ = await reading
    assert activities == (await channel.activities(conversation, token))[0]
    assert activities[0]["channelData"]["clientActivityID"] == "c1"


async def test_reconnect_replays_from_a_watermark_and_else_only_new_ones(channel, bot):
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "one")
    _, watermark = await channel.activities(conversation, token)
    await channel.say(conversation, token, "two")
    again = await channel.dl("GET", f"/conversations/{conversation}?watermark={watermark}", token=token)
    assert again.status == 200
    assert again.body["conversationId"] == conversation
    activities, _ = await channel.frames(again.body["streamUrl"], 2)
    assert [activity["text"] for activity in activities] == ["two", "echo: two"]
    fresh = await channel.dl("GET", f"/conversations/{conversation}", token=token)
    reading = asyncio.ensure_future(channel.frames(fresh.body["streamUrl"], 2))
    await channel.say(conversation, token, "three")
    assert [activity["text"] for activity in (await reading)[0]] == ["three", "echo: three"]


async def test_a_watermark_of_the_future_does_not_silence_the_stream(channel, bot):
    conversation, token, started = await channel.open()
    await channel.say(conversation, token, "seen")
    ahead = await channel.dl("GET", f"/conversations/{conversation}?watermark=1000", token=token)
    for url in (ahead.body["streamUrl"], started["streamUrl"].replace("watermark=0", "watermark=1000")):
        async with channel.session.ws_connect(url) as stream:
            await channel.say(conversation, token, "new")
            frame = await asyncio.wait_for(stream.receive_json(), 60)
            assert frame["activities"][0]["text"] == "new"


async def test_a_stream_that_is_no_websocket_is_400_telling_so(channel):
    _, _, started = await channel.open()
    answer = await channel.call("GET", started["streamUrl"].replace("ws:", "http:"), token=None)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert "WebSocket" in answer.body["error"]["message"]


async def test_a_long_history_comes_in_frames_and_pages_of_a_bearable_size(channel, bot, monkeypatch):
    monkeypatch.setattr(store, "PAGE_BYTES", 100_000)
    sizes = [300_000, 10, 10, 60_000, 60_000, 10]
    bearable = 301_000
    conversation, token, started = await channel.open()
    bot.echoes = False
    await channel.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    for size in sizes:
        await bot.say(question, "x" * size)
    framed, paged, watermark = [], [], ""
    async with channel.session.ws_connect(started["streamUrl"], max_msg_size=0) as stream:
        while len(framed) < 7:
            frame = await asyncio.wait_for(stream.receive_str(), 60)
            assert len(frame) < bearable
            framed += json.loads(frame)["activities"]
    while len(paged) < 7:
        activities, watermark = await channel.activities(conversation, token, watermark)
        assert len(json.dumps(activities)) < bearable
        paged += activities
    assert [len(activity["text"]) for activity in paged] == [2, *sizes]
    assert framed == paged


async def test_empty_frames_and_noise_are_ignored(channel, bot):
    conversation, token, started = await channel.open()
    async with channel.session.ws_connect(started["streamUrl"]) as stream:
        for noise in ("", "", "not json", "[]"):
            await stream.send_str(noise)
        await stream.send_bytes(b"\x00\xff")
        await channel.say(conversation, token, "hi")
        frame = await asyncio.wait_for(stream.receive_json(), 60)
        assert frame["activities"][0]["text"] == "hi"


async def test_typing_is_on_the_stream_only(channel, bot):
    conversation, token, started = await channel.open()
    bot.echoes = False
    await channel.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    async with channel.session.ws_connect(started["streamUrl"]) as stream:
        first = await asyncio.wait_for(stream.receive_json(), 60)
        await bot.call("POST", question, "/activities", {"type": "typing"})
        typing = await asyncio.wait_for(stream.receive_json(), 60)
    assert typing["activities"][0]["type"] == "typing"
    assert typing["watermark"] == first["watermark"]
    assert await channel.texts(conversation, token) == ["hi"]


async def test_a_users_typing_reaches_the_bot_and_no_client(channel, bot):
    conversation, token, _ = await channel.open()
    sent = await channel.dl("POST", f"/conversations/{conversation}/activities", {"type": "typing"}, token=token)
    assert sent.status == 200
    await bot.heard("typing")
    assert await channel.texts(conversation, token) == []


async def test_conversation_updates_reach_no_client(channel, bot):
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    for kind in ("conversationUpdate", "trace"):
        status, _ = await bot.call("POST", question, "/activities", {"type": kind})
        assert status == 200
    assert await channel.texts(conversation, token) == ["hi", "echo: hi"]


async def test_many_senders_and_one_reader_see_one_order(channel, bot):
    conversation, token, started = await channel.open()
    reading = asyncio.ensure_future(channel.frames(started["streamUrl"], 80))
    await asyncio.gather(*(channel.say(conversation, token, f"m{number}") for number in range(40)))
    activities, _ = await reading
    assert activities == (await channel.activities(conversation, token))[0]
    assert len({activity["id"] for activity in activities}) == 80


async def test_a_stream_url_is_of_one_conversation_and_expires(channel, monkeypatch):
    conversation, _, started = await channel.open()
    other, _, _ = await channel.open("dl_bob")
    with pytest.raises(Exception, match="403"):
        await channel.session.ws_connect(started["streamUrl"].replace(conversation, other))
    monkeypatch.setattr(tokens, "STREAM_SECONDS", -1)
    _, _, expired = await channel.open("dl_cid")
    with pytest.raises(Exception, match="403"):
        await channel.session.ws_connect(expired["streamUrl"])
    with pytest.raises(Exception, match="401"):
        await channel.session.ws_connect(started["streamUrl"].partition("?")[0])


async def test_a_stopping_channel_closes_streams_and_the_client_misses_nothing(channel, bot):
    conversation, token, started = await channel.open()
    await channel.say(conversation, token, "one")
    async with channel.session.ws_connect(started["streamUrl"]) as stream:
        frame = await asyncio.wait_for(stream.receive_json(), 60)
        await channel.runner.shutdown()
        assert (await asyncio.wait_for(stream.receive(), 60)).data == 1001
    await channel.restart()
    await channel.say(conversation, token, "two")
    again = await channel.dl("GET", f"/conversations/{conversation}?watermark={frame['watermark']}", token=token)
    activities, _ = await channel.frames(again.body["streamUrl"], 2)
    assert [activity["text"] for activity in activities] == ["two", "echo: two"]
