"""The account: what the bot asked to be shown, what came of it, and the list behind each number."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from local.channel import striking

NUMBERS = {
    "asked", "passing", "accepted", "refused", "dropped", "unanswered", "kept", "keptWithoutAYes",
    "messages", "delivered", "repeated", "duplicated", "guessed", "undelivered", "lost",
}  # fmt: skip


async def counts(channel, *names, query=""):
    body = await channel.account(query)
    assert set(body) == {*NUMBERS, "byStatus"}
    return tuple(body[name] for name in names)


async def listed(channel, name, query=""):
    return (await channel.account(f"?list={name}{query}"))["entries"]


async def test_a_loss_does_not_hide_behind_an_equal_earlier_message(channel, bot, question):
    assert (await bot.say(question, "done"))[0] == 200
    await channel.fault_once(preset="500")
    assert (await bot.say(question, "done"))[0] == 500
    assert await counts(channel, "messages", "delivered", "undelivered", "repeated") == (2, 1, 1, 1)
    (missing,) = await listed(channel, "undelivered")
    assert (missing["text"], missing["statuses"], missing["activities"]) == ("done", [500], [])
    assert (await bot.say(question, "done"))[0] == 200
    assert await counts(channel, "messages", "delivered", "undelivered", "duplicated") == (2, 2, 0, 0)


async def test_the_same_words_on_purpose_are_repeated_not_duplicated(channel, bot, question):
    for _ in range(3):
        assert (await bot.say(question, "still working"))[0] == 200
    assert await counts(channel, "messages", "delivered", "repeated", "duplicated") == (3, 3, 2, 0)
    first, second, third = await listed(channel, "messages")
    assert (first["repeats"], second["repeats"], third["repeats"]) == (None, first["seq"], second["seq"])
    assert [each["seq"] for each in await listed(channel, "repeated")] == [second["seq"], third["seq"]]


async def test_a_retry_of_what_was_taken_is_a_duplicate(channel, bot, question):
    await channel.fault_once(preset="504-taken")
    assert (await bot.say(question, "x"))[0] == 504
    assert (await bot.say(question, "y"))[0] == 200
    assert (await bot.say(question, "x"))[0] == 200
    assert await counts(channel, "messages", "delivered", "repeated", "duplicated") == (2, 2, 0, 1)
    (double,) = await listed(channel, "duplicated")
    assert (double["statuses"], len(set(double["activities"]))) == ([504, 200], 2)
    (unsure,) = await listed(channel, "keptWithoutAYes")
    assert (unsure["status"], unsure["fault"], len(unsure["activities"])) == (504, "1", 1)


async def test_that_several_tries_are_one_message_is_a_guess_without_a_delivery_id(channel, bot, question):
    """A message that was given up, and the same words said later: nobody can tell this from a retry."""
    for data in ({}, {"deliveryId": "d"}):
        await channel.fault_once(preset="503")
        assert (await bot.say(question, "x", channelData=data))[0] == 503
        assert (await bot.say(question, "x", channelData=data))[0] == 200
    assert (await bot.say(question, "y"))[0] == 200
    assert await counts(channel, "messages", "delivered", "undelivered", "guessed") == (3, 3, 0, 1)
    (doubted,) = await listed(channel, "guessed")
    times = [each["askedAt"] for each in await listed(channel, "asked")]
    assert (doubted["statuses"], doubted["triedAt"]) == ([503, 200], times[:2])


async def test_a_message_is_listed_with_its_first_words_and_the_conversation_of_its_last_try(channel, bot, question):
    other, token, _ = await channel.open()
    await channel.say(other, token, "hi")
    here, there = question, bot.of_type("message")[-1]
    for delivery, first, last in (("d1", here, there), ("d2", there, here)):
        await channel.fault_once(preset="404-conversation")
        assert (await bot.say(first, "first words", channelData={"deliveryId": delivery}))[0] == 404
        assert (await bot.say(last, "edited", channelData={"deliveryId": delivery}))[0] == 200
    messages = await listed(channel, "messages")
    assert [(each["text"], each["statuses"]) for each in messages] == [("first words", [404, 200])] * 2
    assert [each["conversation"] for each in messages] == [other, here["conversation"]["id"]]


async def test_a_delivery_id_is_exact_whatever_was_answered(channel, bot, question):
    data = {"deliveryId": "d1"}
    for text in ("x", "x, edited"):
        assert (await bot.say(question, text, channelData=data))[0] == 200
    assert (await bot.say(question, "x", channelData={"deliveryId": "d2"}))[0] == 200
    assert await counts(channel, "messages", "delivered", "repeated", "duplicated") == (2, 2, 0, 1)
    assert [each["key"] for each in await listed(channel, "duplicated")] == ["id:d1"]


async def test_a_double_that_the_channel_makes_itself_is_counted(channel, bot, question):
    await channel.fault_once(twice=True)
    assert (await bot.say(question, "x"))[0] == 200
    assert (await channel.texts(question["conversation"]["id"], "the-secret")).count("x") == 2
    assert await counts(channel, "asked", "kept", "messages", "duplicated") == (1, 2, 1, 1)


async def test_a_yes_without_the_message_is_lost(channel, bot, question):
    await channel.fault_once(preset="200-html")
    with pytest.raises(ValueError):
        await bot.say(question, "x")
    assert await counts(channel, "accepted", "undelivered", "lost") == (1, 1, 1)
    assert [each["text"] for each in await listed(channel, "lost")] == ["x"]


async def test_typing_and_traces_pass_and_are_not_undelivered(channel, bot, question):
    for kind in ("typing", "trace", "typing"):
        assert (await bot.call("POST", question, "/activities", {"type": kind}))[0] == 200
    assert await counts(channel, "asked", "passing", "messages", "undelivered") == (3, 3, 0, 0)
    assert len(await listed(channel, "passing")) == 3


async def test_each_activity_of_a_history_is_a_send_and_they_are_kept_together(channel, bot, question):
    activities = [{"type": "message", "text": text} for text in "ab"] + [{"type": "typing"}]
    assert (await bot.call("POST", question, "/activities/history", {"activities": activities}))[0] == 200
    assert await counts(channel, "asked", "passing", "kept", "messages", "delivered") == (3, 1, 2, 2, 2)
    half = [{"type": "message", "text": "c"}, {"text": "no type"}]
    assert (await bot.call("POST", question, "/activities/history", {"activities": half}))[0] == 400
    assert "c" not in await channel.texts(question["conversation"]["id"], "the-secret")
    assert await counts(channel, "asked", "refused", "undelivered") == (5, 2, 2)


async def create(channel, user, text=None, prefix="", **more):
    body = {"members": [{"id": user}], **more}
    if text is not None:
        body["activity"] = {"type": "message", "text": text}
    return await channel.call("POST", f"{prefix}/v3/conversations", body, token=None)


async def test_creating_is_a_send_by_its_activity_only(channel, bot):
    assert (await create(channel, "dl_a")).status == 201
    assert await counts(channel, "asked", "messages", "undelivered") == (0, 0, 0)
    assert (await create(channel, "dl_a", "hello", topicName="one")).status == 201
    await channel.fault_once(preset="500", operations=["create"])
    assert (await create(channel, "dl_b", "hello")).status == 500
    assert await counts(channel, "asked", "messages", "undelivered") == (2, 2, 1)
    made = await create(channel, "dl_b", "hello", topicName="other parameters, the same message")
    assert made.status == 201
    assert await counts(channel, "messages", "delivered", "undelivered", "duplicated") == (2, 2, 0, 0)
    query = f"?conversation={made.body['id']}"
    assert await counts(channel, "asked", "delivered", query=query) == (1, 1)


@pytest.mark.parametrize("prefix", ["", "/teams"])
async def test_creating_again_after_it_was_taken_is_a_duplicate(channel, bot, prefix):
    await channel.fault_once(preset="504-taken", operations=["create"])
    assert (await create(channel, "dl_a", "hello", prefix)).status == 504
    assert (await create(channel, "dl_a", "hello", prefix)).status == 201
    assert await counts(channel, "messages", "delivered", "duplicated") == (1, 1, 1)


async def test_a_delivery_to_a_new_conversation_of_the_same_person_is_the_same(channel, bot, question):
    marked = {"type": "message", "text": "x", "channelData": {"deliveryId": "d"}}
    await channel.fault_once(preset="404-conversation")
    assert (await bot.call("POST", question, "/activities", marked))[0] == 404
    body = {"members": [{"id": "dl_ann"}], "activity": marked}
    assert (await channel.call("POST", "/v3/conversations", body, token=None)).status == 201
    assert await counts(channel, "asked", "messages", "delivered", "undelivered") == (2, 1, 1, 0)


async def test_new_groups_are_told_apart_by_who_is_in_them(channel, bot):
    async def group(*people, topic=""):
        body = {"isGroup": True, "topicName": topic, "members": [{"id": each} for each in people]}
        body["activity"] = {"type": "message", "text": "hello"}
        return (await channel.call("POST", "/teams/v3/conversations", body, token=None)).status

    await channel.fault(preset="500", operations=["create"], times=2)
    assert [await group("29:a", "29:b"), await group("29:a", "29:c")] == [500, 500]
    assert await group("29:c", "29:a") == 201
    assert await counts(channel, "messages", "delivered", "undelivered", "repeated") == (2, 1, 1, 0)
    await channel.fault(preset="500", operations=["create"], times=2)
    assert [await group("29:c", topic="b 29:a"), await group("29:a", "29:c", topic="b")] == [500, 500]
    assert await counts(channel, "messages", "undelivered") == (4, 3)


async def test_one_conversation_is_counted_from_zero_alone(channel, bot, question):
    other, token, _ = await channel.open("dl_bob")
    await channel.say(other, token, "hi")
    for asked in (question, bot.of_type("message")[-1]):
        assert (await bot.say(asked, "x"))[0] == 200
    assert (await channel.call("DELETE", f"/admin/account?conversation={other}", token=None)).status == 200
    assert await counts(channel, "asked", "kept", query=f"?conversation={other}") == (0, 0)
    assert await counts(channel, "asked", "kept") == (1, 1)
    await channel.call("DELETE", "/admin/account", token=None)
    assert await counts(channel, "asked", "kept") == (0, 0)


async def test_expected_replies_are_sends(channel, bot, question):
    conversation = question["conversation"]["id"]
    bot.answer = {"activities": [{"type": "message", "text": "one"}, {"type": "message", "text": "two"}]}
    assert (await channel.say(conversation, "the-secret", "ask", deliveryMode="expectReplies")).status == 200
    assert await counts(channel, "asked", "accepted", "kept", "delivered") == (2, 2, 2, 2)
    assert {each["operation"] for each in await listed(channel, "asked")} == {"reply"}
    bot.answer = {"activities": [{"type": "message", "text": "three"}]}
    await channel.fault_once(preset="turn-504")
    assert (await channel.say(conversation, "the-secret", "ask", deliveryMode="expectReplies")).status == 504
    assert [each["text"] for each in await listed(channel, "undelivered")] == ["three"]
    await channel.fault_once(preset="turn-twice")
    bot.answer = {"activities": [{"type": "message", "text": "four"}]}
    assert (await channel.say(conversation, "the-secret", "ask", deliveryMode="expectReplies")).status == 200
    assert await counts(channel, "delivered", "undelivered", "duplicated", "repeated") == (3, 1, 0, 0)


async def test_replies_that_are_malformed_are_undelivered_as_those_of_a_history_are(channel, bot, question):
    conversation = question["conversation"]["id"]
    for activities in ([{"type": "message", "text": "one"}, {"text": "no type"}], "none at all"):
        bot.answer = {"activities": activities}
        answer = await channel.say(conversation, "the-secret", "ask", deliveryMode="expectReplies")
        assert (answer.status, answer.code) == (502, "BotError")
    assert await counts(channel, "asked", "refused", "undelivered") == (3, 3, 3)
    assert [each["text"] for each in await listed(channel, "undelivered")] == ["one", "no type", ""]


async def test_a_bot_that_hung_up_heard_no_answer(channel, bot, question, monkeypatch):
    """Its retry is one although the channel went on to keep the first try."""
    hung_up = asyncio.Event()
    monkeypatch.setattr(striking, "asyncio", SimpleNamespace(sleep=lambda _: hung_up.wait()))
    await channel.fault_once(delay=1)
    url = f"{channel.url}/v3/conversations/{question['conversation']['id']}/activities"
    body = {"type": "message", "text": "x"}
    async with aiohttp.ClientSession() as session:
        sending = asyncio.ensure_future(session.post(url, json=body))
        while await counts(channel, "unanswered") != (1,):
            await asyncio.sleep(0.02)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    # The server has read the end of that connection before what was sent after it.
    await counts(channel, "asked")
    hung_up.set()
    while await counts(channel, "dropped") != (1,):
        await asyncio.sleep(0.02)
    assert (await bot.say(question, "x"))[0] == 200
    assert await counts(channel, "messages", "duplicated", "keptWithoutAYes") == (1, 1, 1)


async def test_what_cannot_be_read_or_reaches_nobody_is_undelivered(channel, bot, question):
    url = f"/v3/conversations/{question['conversation']['id']}/activities"
    assert (await channel.call("POST", url, token=None, data=b"{")).status == 400
    assert (
        await channel.call("POST", "/v3/conversations/none/activities", {"type": "message"}, token=None)
    ).status == 404
    assert await counts(channel, "asked", "refused", "undelivered", "lost") == (2, 2, 2, 0)


async def test_lists_have_pages_and_names(channel, bot, question):
    for number in range(5):
        await bot.say(question, f"m{number}")
    page = (await channel.call("GET", "/admin/account?list=accepted&limit=3", token=None)).body
    assert [each["text"] for each in page["entries"]] == ["m0", "m1", "m2"]
    rest = (await channel.call("GET", f"/admin/account?list=accepted&limit=3&after={page['next']}", token=None)).body
    assert ([each["text"] for each in rest["entries"]], rest["next"]) == (["m3", "m4"], None)
    for query in ("list=none", "list=", "list=asked&limit=0", "list=asked&limit=1001", "list=asked&after=x"):
        answer = await channel.call("GET", f"/admin/account?{query}", token=None)
        assert (answer.status, answer.code) == (400, "BadArgument")
    for name in sorted(NUMBERS):
        assert len(await listed(channel, name)) == (await counts(channel, name))[0]


async def test_a_recalled_message_was_delivered_all_the_same(channel, bot):
    made = await create(channel, "dl_t", "hello", "/teams")
    url = f"/teams/v3/conversations/{made.body['id']}/activities/{made.body['activityId'].replace('|', '%7C')}"
    assert (await channel.call("PUT", url, {"type": "message", "text": "changed"}, token=None)).status == 200
    assert (await channel.call("DELETE", url, token=None)).status == 200
    assert await counts(channel, "asked", "kept", "delivered", "undelivered") == (1, 1, 1, 0)
