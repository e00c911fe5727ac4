"""A bot that is down, slow or answers what is no answer: what its clients are told."""

import asyncio
import json

import pytest
from aiohttp import web

from local.channel import bot_client, turns
from local.channel.context import CHANNEL


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 302])
async def test_a_failing_bot_is_502_and_nothing_is_echoed(channel, bot, status):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.status = status
    bot.answer = {"why": "broken on purpose"}
    answer = await channel.say(conversation, token, "hi")
    assert (answer.status, answer.code) == (502, "BotError")
    assert str(status) in answer.body["error"]["message"]
    assert "broken on purpose" in answer.body["error"]["message"]
    assert await channel.texts(conversation, token) == []


async def test_a_bot_that_is_down_is_502(channel, bot):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    await bot.stop()
    answer = await channel.say(conversation, token, "hi")
    assert (answer.status, answer.code) == (502, "BotError")
    assert "no bot answers" in answer.body["error"]["message"]


async def test_a_slow_bot_is_504_after_the_limit(channel, bot, monkeypatch):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    for module in (bot_client, turns):
        monkeypatch.setattr(module, "TURN_SECONDS", 0.3)
    over = asyncio.Event()

    async def wait(_):
        await over.wait()

    bot.echoes, bot.on_message = False, wait
    answer = await channel.say(conversation, token, "hi")
    over.set()
    assert (answer.status, answer.code) == (504, "BotTimeout")
    assert "bot timed out" in answer.body["error"]["message"]
    assert await channel.texts(conversation, token) == []


async def test_a_bot_that_answers_garbage_is_502(channel, tmp_path):
    async def garbage(reader, writer):
        await reader.read(100)
        writer.write(b"\x00\x01 not http\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    conversation, token, _ = await channel.open()
    await asyncio.sleep(0.05)
    channel.runner.app[CHANNEL].bot.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    answer = await channel.say(conversation, token, "hi")
    assert (answer.status, answer.code) == (502, "BotError")
    server.close()


async def test_a_page_instead_of_a_bot_is_502(channel, bot):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.answer = web.Response(text="<html>hello</html>", content_type="text/html")
    answer = await channel.say(conversation, token, "hi")
    assert answer.status == 502
    assert "HTML" in answer.body["error"]["message"]


def parsed(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@pytest.mark.parametrize(
    ("kind", "body", "more"),
    [
        ("application/json", b"{broken", {}),
        ("application/json", b"[" * 5000, {}),
        ("application/problem+json; charset=utf-8", b"\xff\xfe", {}),
        ("text/plain", b"OK", {"deliveryMode": "expectReplies"}),
        ("application/json", b"[]", {"deliveryMode": "expectReplies"}),
        ("application/json", b'"x"', {"deliveryMode": "expectReplies"}),
        ("application/json", b'{"activities": 5}', {"deliveryMode": "expectReplies"}),
        ("application/json", b'{"activities": [{"type": 3}]}', {"deliveryMode": "expectReplies"}),
        ("application/json", b'{"activities": [{"type": "message", "text": []}]}', {"deliveryMode": "expectReplies"}),
    ],
)
async def test_an_answer_that_is_garbage_is_502_and_shown_on_the_wire(channel, bot, kind, body, more):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.answer = web.Response(body=body, headers={"Content-Type": kind})
    answer = await channel.say(conversation, token, "hi", **more)
    assert (answer.status, answer.code) == (502, "BotError")
    assert await channel.texts(conversation, token) == []
    entries = (await channel.call("GET", "/admin/wire", token=None)).body["entries"]
    entry = next(entry for entry in entries if entry["title"] == "message")
    assert entry["status"] == 502
    assert entry["note"] == answer.body["error"]["message"]
    text = body.decode("utf-8", "replace")
    assert entry["answer"] in (text, parsed(text))


async def test_an_answer_of_text_to_a_plain_activity_is_ignored(channel, bot):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.answer = web.Response(text="OK")
    assert (await channel.say(conversation, token, "hi")).status == 200


async def test_expect_replies_come_in_the_answer(channel, bot):
    conversation, token, _ = await channel.open()
    bot.echoes = False
    bot.answer = {"activities": [{"type": "message", "text": "one"}, {"type": "message", "text": "two"}]}
    await channel.say(conversation, token, "hi", deliveryMode="expectReplies")
    assert await channel.texts(conversation, token) == ["hi", "one", "two"]


async def test_a_bot_failing_on_conversation_update_still_gets_messages(channel, bot):
    bot.fails = {"conversationUpdate": 500}
    conversation, token, _ = await channel.open()
    assert (await channel.say(conversation, token, "hi")).status == 200
    assert len(bot.of_type("conversationUpdate")) == 1
