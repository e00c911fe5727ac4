"""Direct Line 3.0, call by call."""

import asyncio
import time

import jwt
import pytest

from local.channel import bot_client, tokens
from tests.contract.channel.conftest import SECRET


async def test_a_token_names_its_conversation_and_user_without_the_bot(channel, bot):
    answer = await channel.dl("POST", "/tokens/generate", {"User": {"Id": "dl_ann", "Name": "Ann"}})
    assert answer.status == 200
    assert answer.body["expires_in"] == 1800
    claims = jwt.decode(answer.body["token"], options={"verify_signature": False})
    assert (claims["conv"], claims["user"]) == (answer.body["conversationId"], "dl_ann")
    assert bot.received == []


async def test_token_users_start_with_dl(channel):
    answer = await channel.dl("POST", "/tokens/generate", {"user": {"id": "ann"}})
    assert (answer.status, answer.code) == (400, "BadArgument")


async def test_a_token_starts_its_conversation_once(channel, bot):
    made = (await channel.dl("POST", "/tokens/generate", {"user": {"id": "dl_ann"}})).body
    first = await channel.dl("POST", "/conversations", token=made["token"])
    second = await channel.dl("POST", "/conversations", token=made["token"])
    assert (first.status, second.status) == (201, 200)
    assert first.body["conversationId"] == second.body["conversationId"] == made["conversationId"]
    assert first.body["streamUrl"].startswith("ws://127.0.0.1")
    await bot.heard("conversationUpdate")
    await asyncio.sleep(0.1)
    assert len(bot.received) == 1


async def test_a_token_is_refreshed_and_a_secret_is_not(channel):
    conversation, token, _ = await channel.open()
    refreshed = await channel.dl("POST", "/tokens/refresh", token=token)
    assert refreshed.status == 200
    assert refreshed.body["conversationId"] == conversation
    assert (
        await channel.dl("GET", f"/conversations/{conversation}/activities", token=refreshed.body["token"])
    ).status == 200
    assert (await channel.dl("POST", "/tokens/refresh")).status == 403


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer a b"])
async def test_missing_or_malformed_header_is_401(channel, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await channel.dl("POST", "/conversations", token=None, headers=headers)
    assert (answer.status, answer.code) == (401, "Unauthorized")


@pytest.mark.parametrize("credential", ["wrong", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_invalid_credentials_are_403(channel, credential):
    assert (await channel.dl("POST", "/conversations", token=credential)).status == 403


async def test_an_expired_token_is_403_token_expired(channel, monkeypatch):
    monkeypatch.setattr(tokens, "TOKEN_SECONDS", -1)
    conversation, token, _ = await channel.open()
    answer = await channel.dl("GET", f"/conversations/{conversation}/activities", token=token)
    assert (answer.status, answer.code) == (403, "TokenExpired")


async def test_a_token_reaches_one_conversation_and_the_secret_any(channel):
    first, token, _ = await channel.open()
    second, _, _ = await channel.open("dl_bob")
    assert (await channel.dl("GET", f"/conversations/{second}/activities", token=token)).status == 403
    assert (await channel.dl("GET", f"/conversations/{second}/activities")).status == 200
    assert (await channel.dl("GET", f"/conversations/{first}/activities")).status == 200
    assert (await channel.dl("POST", "/tokens/generate", token=token)).status == 403


async def test_trusted_origins_are_held(channel):
    body = {"user": {"id": "dl_ann"}, "trustedOrigins": ["https://good.example/"]}
    token = (await channel.dl("POST", "/tokens/generate", body)).body["token"]
    good = await channel.dl("POST", "/conversations", token=token, headers={"Origin": "https://good.example"})
    bad = await channel.dl("POST", "/conversations", token=token, headers={"Origin": "https://bad.example"})
    assert (good.status, bad.status) == (201, 403)


async def test_unknown_conversations_are_404(channel):
    for method, path in (("GET", ""), ("GET", "/activities"), ("POST", "/activities"), ("POST", "/upload")):
        answer = await channel.dl(method, f"/conversations/nowhere{path}")
        assert (answer.status, answer.code) == (404, "ConversationNotFound")
    assert (await channel.dl("GET", "/nothing")).status == 404


async def test_a_known_user_is_announced_with_the_bot(channel, bot):
    conversation, _, _ = await channel.open(locale="de-DE")
    (update,) = await bot.heard("conversationUpdate")
    assert [member["id"] for member in update["membersAdded"]] == ["bot", "dl_ann"]
    assert update["locale"] == "de-DE"
    assert update["from"]["id"] == "dl_ann"
    assert update["conversation"] == {"id": conversation}
    assert update["channelId"] == "directline"
    assert update["serviceUrl"] == channel.url
    assert update["recipient"]["id"] == "bot"


async def test_a_locale_that_is_no_string_is_ignored(channel, bot):
    await channel.open(locale=7)
    (update,) = await bot.heard("conversationUpdate")
    assert "locale" not in update


async def test_an_unknown_user_is_announced_just_before_their_first_activity(channel, bot):
    conversation, token, _ = await channel.open(user=None)
    await bot.heard("conversationUpdate")
    await channel.say(conversation, token, "hi")
    await channel.say(conversation, token, "again")
    kinds = [activity["type"] for activity in bot.received]
    assert kinds == ["conversationUpdate", "conversationUpdate", "message", "message"]
    added = [[member["id"] for member in update["membersAdded"]] for update in bot.of_type("conversationUpdate")]
    assert added == [["bot"], ["dl_ann"]]
    assert bot.received[0]["from"]["id"] == conversation


async def test_a_bot_that_was_down_at_the_start_hears_of_its_members_later(channel, bot):
    address = bot.url
    port = int(address.split(":")[2].split("/")[0])
    await bot.stop()
    conversation, token, _ = await channel.open()
    assert (await channel.say(conversation, token, "hi")).status == 502
    await _start_on(bot, port)
    assert (await channel.say(conversation, token, "hi")).status == 200
    assert [activity["type"] for activity in bot.received] == ["conversationUpdate", "message"]


async def test_a_bot_that_comes_up_later_greets_without_being_asked(channel, bot):
    port = int(bot.url.split(":")[2].split("/")[0])
    await bot.stop()
    await channel.open()
    await asyncio.sleep(0.2)
    await _start_on(bot, port)
    assert len(await bot.heard("conversationUpdate")) == 1


async def _start_on(bot, port):
    import aiohttp
    from aiohttp import web

    app = web.Application()
    app.router.add_post("/api/messages", bot._messages)
    bot._runner = web.AppRunner(app)
    await bot._runner.setup()
    await web.TCPSite(bot._runner, "127.0.0.1", port, reuse_address=True).start()
    bot._session = aiohttp.ClientSession()


async def test_a_message_goes_to_the_bot_and_is_shown_before_its_reply(channel, bot):
    conversation, token, _ = await channel.open()
    sent = await channel.say(conversation, token, "hi", channelData={"clientActivityID": "c1"}, locale="en-US")
    assert sent.status == 200
    (heard,) = bot.of_type("message")
    assert heard["id"] == sent.body["id"]
    assert heard["channelData"] == {"clientActivityID": "c1"}
    activities, watermark = await channel.activities(conversation, token)
    assert [activity["text"] for activity in activities] == ["hi", "echo: hi"]
    assert isinstance(watermark, str)
    echo, reply = activities
    assert echo["id"] == sent.body["id"] == f"{conversation}|0000001"
    assert echo["channelData"] == {"clientActivityID": "c1"}
    assert echo["from"] == {"id": "dl_ann", "role": "user"}
    assert (reply["from"]["id"], reply["from"]["role"]) == ("bot", "bot")
    assert "serviceUrl" not in reply


async def test_the_tokens_user_is_the_sender_whatever_the_activity_says(channel, bot):
    token = (await channel.dl("POST", "/tokens/generate", {"user": {"id": "dl_ann"}})).body["token"]
    conversation = (await channel.dl("POST", "/conversations", token=token)).body["conversationId"]
    await channel.say(conversation, token, "hi", **{"from": {"id": "dl_eve", "name": "Eve"}})
    assert bot.of_type("message")[0]["from"]["id"] == "dl_ann"


async def test_watermarks_page_without_loss(channel, bot):
    conversation, token, _ = await channel.open()
    bot.echoes = False
    await channel.say(conversation, token, "start")
    question = bot.of_type("message")[0]
    seen, watermark = await channel.activities(conversation, token, "")
    for number in range(20):
        await bot.say(question, f"m{number}")
        if number % 3 == 0:
            more, watermark = await channel.activities(conversation, token, watermark)
            seen += more
    more, watermark = await channel.activities(conversation, token, watermark)
    seen += more
    assert seen == (await channel.activities(conversation, token))[0]
    assert [activity["text"] for activity in seen] == ["start", *(f"m{number}" for number in range(20))]
    assert await channel.activities(conversation, token, watermark) == ([], watermark)


@pytest.mark.parametrize("watermark", ["x", "-1", "1.5", "9" * 30])
async def test_a_foreign_watermark_is_400(channel, watermark):
    conversation, token, _ = await channel.open()
    answer = await channel.dl("GET", f"/conversations/{conversation}/activities?watermark={watermark}", token=token)
    assert (answer.status, answer.code) == (400, "BadArgument")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "BadArgument"),
        (b"[]", "BadArgument"),
        (b"", "BadArgument"),
        (b"{}", "MissingProperty"),
        (b'"\\ud800"', "BadArgument"),
        (b"[" * 100000, "BadArgument"),
    ],
)
async def test_malformed_activities_are_400(channel, bot, data, code):
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", data=data, token=token)
    assert (answer.status, answer.code) == (400, code)
    assert bot.of_type("message") == []


async def test_an_oversized_activity_is_413(channel):
    conversation, token, _ = await channel.open()
    answer = await channel.say(conversation, token, "x" * (5 << 20))
    assert (answer.status, answer.code) == (413, "MessageSizeTooBig")


async def test_an_activity_needs_a_sender(channel):
    conversation, token, _ = await channel.open(user=None)
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", {"type": "message"}, token=token)
    assert (answer.status, answer.code) == (400, "MissingProperty")


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
    for module in (bot_client, __import__("local.channel.turns", fromlist=["turns"])):
        monkeypatch.setattr(module, "TURN_SECONDS", 0.3)
    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.delay = 5
    started = time.monotonic()
    answer = await channel.say(conversation, token, "hi")
    assert (answer.status, answer.code) == (504, "BotTimeout")
    assert "bot timed out" in answer.body["error"]["message"]
    assert time.monotonic() - started < bot.delay
    assert await channel.texts(conversation, token) == []


async def test_a_bot_that_answers_garbage_is_502(channel, tmp_path):
    async def garbage(reader, writer):
        await reader.read(100)
        writer.write(b"\x00\x01 not http\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    conversation, token, _ = await channel.open()
    await asyncio.sleep(0.05)
    from local.channel.context import CHANNEL

    channel.runner.app[CHANNEL].bot.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    answer = await channel.say(conversation, token, "hi")
    assert (answer.status, answer.code) == (502, "BotError")
    server.close()


async def test_a_page_instead_of_a_bot_is_502(channel, bot):
    from aiohttp import web

    conversation, token, _ = await channel.open()
    await bot.heard("conversationUpdate")
    bot.answer = web.Response(text="<html>hello</html>", content_type="text/html")
    answer = await channel.say(conversation, token, "hi")
    assert answer.status == 502
    assert "HTML" in answer.body["error"]["message"]


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


async def test_replies_of_a_long_turn_do_not_wait_for_its_end(channel, bot):
    conversation, token, _ = await channel.open()
    bot.delay = 0
    await channel.say(conversation, token, "first")
    question = bot.of_type("message")[0]
    bot.delay = 3
    turn = asyncio.ensure_future(channel.say(conversation, token, "second"))
    await bot.heard("message", 2)
    await bot.say(question, "while you wait")
    assert "while you wait" not in await channel.texts(conversation, token)
    await asyncio.sleep(0.7)
    assert (await channel.texts(conversation, token))[-1] == "while you wait"
    assert (await turn).status == 200
    assert (await channel.texts(conversation, token))[2:] == ["while you wait", "second", "echo: second"]


async def test_cors_echoes_the_origin_also_on_errors(channel):
    headers = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-ms-bot-agent,x-requested-with",
    }
    preflight = await channel.dl("OPTIONS", "/conversations", token=None, headers=headers)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert "x-ms-bot-agent" in preflight.headers["Access-Control-Allow-Headers"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    refused = await channel.dl("GET", "/conversations/x", token="bad", headers={"Origin": "https://page.example"})
    assert refused.status == 403
    assert refused.headers["Access-Control-Allow-Origin"] == "https://page.example"


async def test_session_id(channel):
    answer = await channel.dl("GET", "/session/getsessionid")
    assert answer.status == 200
    assert answer.body["sessionId"]


async def test_tokens_conversations_and_watermarks_survive_a_restart(channel, bot):
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "before")
    seen, watermark = await channel.activities(conversation, token)
    await channel.restart()
    await channel.say(conversation, token, "after")
    later, _ = await channel.activities(conversation, token, watermark)
    assert [activity["text"] for activity in later] == ["after", "echo: after"]
    assert (await channel.activities(conversation, token))[0] == seen + later
    assert len(bot.of_type("conversationUpdate")) == 1
    assert (await channel.dl("GET", f"/conversations/{conversation}/activities", token=SECRET)).status == 200
