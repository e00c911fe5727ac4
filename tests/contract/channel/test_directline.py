"""Direct Line 3.0, call by call."""

import asyncio

import pytest

from local.channel import transcript
from tests.local_channel import SECRET


async def test_unknown_conversations_are_404(channel):
    for method, path in (("GET", ""), ("GET", "/activities"), ("POST", "/activities"), ("POST", "/upload")):
        answer = await channel.dl(method, f"/conversations/nowhere{path}")
        assert (answer.status, answer.code) == (404, "ConversationNotFound")
    assert (await channel.dl("GET", "/nothing")).status == 404


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


async def blocked_turn(channel, bot):
    """A turn that the bot does not end: its task, the question, and the event that ends it."""
    conversation, token, _ = await channel.open()
    over = asyncio.Event()

    async def wait(_):
        await over.wait()

    bot.echoes, bot.on_message = False, wait
    turn = asyncio.ensure_future(channel.say(conversation, token, "question"))
    (question,) = await bot.heard("message")
    return turn, question, over


async def test_a_reply_within_the_turn_is_shown_after_its_question(channel, bot, monkeypatch):
    monkeypatch.setattr(transcript, "HOLD_SECONDS", 3600)
    turn, question, over = await blocked_turn(channel, bot)
    await bot.say(question, "reply")
    assert await channel.texts(question["conversation"]["id"], SECRET) == []
    over.set()
    assert (await turn).status == 200
    assert await channel.texts(question["conversation"]["id"], SECRET) == ["question", "reply"]


async def test_replies_of_a_long_turn_do_not_wait_for_its_end(channel, bot):
    turn, question, over = await blocked_turn(channel, bot)
    conversation = question["conversation"]["id"]
    await bot.say(question, "while you wait")
    while not await channel.texts(conversation, SECRET):
        await asyncio.sleep(0.05)
    assert not turn.done()
    over.set()
    assert (await turn).status == 200
    assert await channel.texts(conversation, SECRET) == ["while you wait", "question"]


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


async def test_cors_of_every_route_of_clients(channel):
    origin = {"Origin": "https://page.example"}
    routes = {
        (route.method, route.resource.canonical)
        for route in channel.runner.app.router.routes()
        if route.method != "HEAD" and route.resource.canonical.startswith(("/v3/directline", "/attachments"))
    }
    assert len(routes) > 9
    for method, path in routes:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
        preflight = await channel.call("OPTIONS", path, token=None, headers={**origin, **asked})
        assert preflight.status == 204, path
        assert preflight.headers["Access-Control-Allow-Origin"] == origin["Origin"], path
        assert method in preflight.headers["Access-Control-Allow-Methods"], path
        assert preflight.headers["Access-Control-Allow-Headers"] == "authorization", path
        refused = await channel.call(method, path, token=None, headers=origin)
        assert refused.status in (401, 404), path
        assert refused.headers["Access-Control-Allow-Origin"] == origin["Origin"], path


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
