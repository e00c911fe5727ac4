"""DirectLineJS, the client of Web Chat and of most custom clients, against the channel."""

import asyncio

import pytest

from local.channel import stream
from tests.local_channel import SECRET


def domain(channel):
    return f"{channel.url}/v3/directline"


def message(text, **more):
    return {"type": "message", "text": text, "from": {"id": "dl_ann", "name": "Ann"}, **more}


@pytest.mark.parametrize("socket", [True, False], ids=["websocket", "polling"])
@pytest.mark.parametrize("credential", ["secret", "token"])
async def test_greet_say_and_be_answered(channel, bot, directlinejs, socket, credential):
    given = {"secret": SECRET}
    if credential == "token":
        given = {"token": (await channel.dl("POST", "/tokens/generate", {"user": {"id": "dl_ann"}})).body["token"]}
    async with directlinejs(domain=domain(channel), webSocket=socket, pollingInterval=200, **given) as client:
        await client.until(lambda: "Online" in client.of("status"))
        await client.post(message("hi", channelData={"clientActivityID": "c1"}))
        await client.until(lambda: client.of("posted"))
        await client.until(lambda: client.texts() == ["hi", "echo: hi"])
        echo = client.of("activity")[0]
        assert echo["id"] == client.of("posted")[0]
        assert echo["channelData"]["clientActivityID"] == "c1"
        await bot.say(bot.of_type("message")[0], "by itself")
        await client.until(lambda: client.texts()[-1] == "by itself")


async def test_typing_comes_over_the_socket(channel, bot, directlinejs):
    async with directlinejs(domain=domain(channel), secret=SECRET) as client:
        await client.post(message("hi"))
        await client.until(lambda: "echo: hi" in client.texts())
        await bot.call("POST", bot.of_type("message")[0], "/activities", {"type": "typing"})
        await client.until(lambda: client.of("activity")[-1]["type"] == "typing")


async def test_a_failing_bot_is_told_and_not_shown(channel, bot, directlinejs):
    async with directlinejs(domain=domain(channel), secret=SECRET) as client:
        await client.until(lambda: "Online" in client.of("status"))
        bot.status = 500
        await client.post(message("hi"))
        # DirectLineJS says "retry" instead of an id for any status from 500 on.
        await client.until(lambda: client.of("posted") == ["retry"])
        assert client.texts() == []


@pytest.mark.parametrize("socket", [True, False], ids=["websocket", "polling"])
async def test_a_restart_of_the_channel_loses_nothing(channel, bot, directlinejs, socket):
    async with directlinejs(domain=domain(channel), secret=SECRET, webSocket=socket, pollingInterval=200) as client:
        await client.post(message("one"))
        await client.until(lambda: client.texts() == ["one", "echo: one"])
        question = bot.of_type("message")[0]
        await channel.restart()
        for number in range(5):
            await bot.say(question, f"while away {number}")
        wanted = ["one", "echo: one", *(f"while away {number}" for number in range(5))]
        await client.until(lambda: len(client.texts()) >= len(wanted), 40)
        assert client.texts() == wanted


async def test_a_closed_socket_is_opened_again_with_the_watermark(channel, bot, directlinejs):
    async with directlinejs(domain=domain(channel), secret=SECRET) as client:
        await client.post(message("one"))
        await client.until(lambda: "echo: one" in client.texts())
        for opened in tuple(channel.runner.app[stream.STREAMS]):
            await opened.socket.close()
        await bot.say(bot.of_type("message")[0], "meanwhile")
        await client.until(lambda: "meanwhile" in client.texts(), 40)
        assert client.texts() == ["one", "echo: one", "meanwhile"]


async def test_an_earlier_conversation_is_taken_up_from_its_watermark(channel, bot, directlinejs):
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "one")
    _, watermark = await channel.activities(conversation, token)
    await channel.say(conversation, token, "two")
    options = {"domain": domain(channel), "token": token, "conversationId": conversation, "watermark": watermark}
    async with directlinejs(**options) as client:
        await client.until(lambda: client.texts() == ["two", "echo: two"])


async def test_an_expired_token_is_told(channel, directlinejs, monkeypatch):
    from local.channel import tokens

    monkeypatch.setattr(tokens, "TOKEN_SECONDS", 1)
    token = (await channel.dl("POST", "/tokens/generate", {"user": {"id": "dl_ann"}})).body["token"]
    await asyncio.sleep(2.1)
    async with directlinejs(domain=domain(channel), token=token, webSocket=False, pollingInterval=200) as client:
        await client.until(lambda: {"ExpiredToken", "FailedToConnect"} & set(client.of("status")))
