"""Group chats and channels of the Teams-like channel id."""

import asyncio

import pytest

from tests.local_channel import SECRET

PEOPLE = [{"id": "29:ann", "name": "Ann"}, {"id": "29:bob", "name": "Bob"}]
GROUP = {"channelId": "msteams", "isGroup": True, "members": PEOPLE, "topicName": "Launch"}
MENTION = {"type": "mention", "text": "<at>Bot</at>", "mentioned": {"id": "28:bot", "name": "Bot"}}


async def started(channel, **changes):
    answer = await channel.dl("POST", "/conversations", {**GROUP, **changes})
    assert answer.status == 201, answer.body
    return answer.body["conversationId"]


async def say(channel, conversation, user, text, **more):
    body = {"type": "message", "text": text, "from": {"id": user}, **more}
    return await channel.dl("POST", f"/conversations/{conversation.replace(':', '%3A')}/activities", body)


async def test_a_group_chat_tells_the_bot_who_is_in_it(channel, bot):
    conversation = await started(channel)
    (update,) = await bot.heard("conversationUpdate")
    assert update["conversation"] == {
        "id": conversation,
        "conversationType": "groupChat",
        "isGroup": True,
        "tenantId": update["channelData"]["tenant"]["id"],
        "name": "Launch",
    }
    assert [member["id"] for member in update["membersAdded"]] == ["28:bot", "29:ann", "29:bob"]
    assert all(member["aadObjectId"] for member in update["membersAdded"][1:])


async def test_any_member_writes_and_all_see_the_answer(channel, bot):
    conversation = await started(channel)
    for user in ("29:ann", "29:bob"):
        assert (await say(channel, conversation, user, "@Bot hi")).status == 200
    heard = bot.of_type("message")
    assert [(each["from"]["id"], each["from"]["name"]) for each in heard] == [("29:ann", "Ann"), ("29:bob", "Bob")]
    for each in heard:
        assert each["text"] == "<at>Bot</at> hi"
        assert each["entities"] == [MENTION]
        assert each["recipient"]["id"] == "28:bot"
        assert (each["conversation"]["isGroup"], each["conversation"]["conversationType"]) == (True, "groupChat")
    shown, _ = await channel.activities(conversation, SECRET)
    assert [activity["from"]["id"] for activity in shown] == ["29:ann", "28:bot", "29:bob", "28:bot"]


async def test_only_what_mentions_the_bot_reaches_it(channel, bot):
    conversation = await started(channel)
    for text in ("lunch?", "mail me@Bot.example", "@Bottle", "@Robot"):
        assert (await say(channel, conversation, "29:ann", text)).status == 200
    assert bot.of_type("message") == []
    assert await channel.texts(conversation, SECRET) == ["lunch?", "mail me@Bot.example", "@Bottle", "@Robot"]
    bot.echoes = False
    await say(channel, conversation, "29:ann", "hello @bot!")
    await say(channel, conversation, "29:ann", "<at>Bot</at> again", entities=[MENTION])
    await say(channel, conversation, "29:ann", "", value={"press": 1})
    await channel.dl("POST", f"/conversations/{conversation}/activities", {"type": "event", "from": {"id": "29:bob"}})
    assert [each["text"] for each in bot.of_type("message")] == ["hello <at>Bot</at>!", "<at>Bot</at> again", ""]
    assert [each["entities"] for each in bot.of_type("message")[:2]] == [[MENTION], [MENTION]]
    assert len(bot.of_type("event")) == 1


async def test_members_and_who_joins_later(channel, bot):
    conversation = await started(channel)
    await say(channel, conversation, "29:ann", "@Bot hi")
    question = bot.of_type("message")[0]
    _, members = await bot.call("GET", question, "/members")
    assert [(member["id"], member["name"]) for member in members] == [("29:ann", "Ann"), ("29:bob", "Bob")]
    assert (await bot.call("GET", question, "/activities/" + question["id"].replace("|", "%7C") + "/members"))[
        1
    ] == members
    _, page = await bot.call("GET", question, "/pagedmembers?pageSize=1")
    assert len(page["members"]) == 1
    await say(channel, conversation, "29:eve", "@Bot me too")
    joined = bot.of_type("conversationUpdate")[-1]
    assert [member["id"] for member in joined["membersAdded"]] == ["29:eve"]
    assert len((await bot.call("GET", question, "/members"))[1]) == 3
    message = {"type": "message", "from": {"role": "user"}, "text": "nobody"}
    answer = await channel.dl("POST", f"/conversations/{conversation}/activities", message)
    assert (answer.status, answer.code) == (400, "MissingProperty")


async def test_a_channel_of_a_team_made_by_the_bot(channel, bot):
    body = {
        "isGroup": True,
        "members": PEOPLE,
        "channelData": {"channel": {"id": "19:general@thread.tacv2"}, "tenant": {"id": "t-1"}},
        "activity": {"type": "message", "text": "a new thread"},
    }
    made = await channel.call("POST", "/teams/v3/conversations", body, token=None)
    assert made.status == 201
    again = await channel.call("POST", "/teams/v3/conversations", body, token=None)
    assert again.body["id"] != made.body["id"]
    conversation = made.body["id"]
    assert await channel.texts(conversation, SECRET) == ["a new thread"]
    await say(channel, conversation, "29:bob", "@Bot hi")
    (question,) = bot.of_type("message")
    assert question["conversation"]["conversationType"] == "channel"
    assert question["conversation"]["tenantId"] == "t-1"
    assert question["channelData"]["channel"]["id"] == conversation == question["channelData"]["teamsChannelId"]
    assert question["channelData"]["team"]["id"] == question["channelData"]["teamsTeamId"]
    assert bot.of_type("conversationUpdate") == []
    _, sent = await bot.say(question, "10 %")
    assert (await bot.call("PUT", question, f"/activities/{sent['id']}", {"type": "message", "text": "20 %"}))[0] == 200


async def test_a_group_survives_a_restart(channel, bot):
    conversation = await started(channel)
    await say(channel, conversation, "29:ann", "@Bot hi")
    await channel.restart()
    await say(channel, conversation, "29:bob", "@Bot still there?")
    question = bot.of_type("message")[-1]
    assert (question["from"]["name"], question["conversation"]["name"]) == ("Bob", "Launch")
    assert len(bot.of_type("conversationUpdate")) == 1


async def test_the_page_opens_a_group_as_any_of_its_people(channel, bot):
    conversation = await started(channel)
    for user in ("29:ann", "29:bob"):
        wanted = {"user": user, "channelId": "msteams", "conversationId": conversation}
        granted = (await channel.call("POST", "/page/token", wanted, token=None)).body
        assert (granted["known"], granted["conversationId"]) == (True, conversation)
    mine = (await channel.call("POST", "/page/token", {"user": "29:ann", "channelId": "msteams"}, token=None)).body
    assert mine["conversationId"] != conversation


async def test_a_stream_of_a_group_carries_what_each_member_says(channel, bot):
    answer = await channel.dl("POST", "/conversations", GROUP)
    conversation = answer.body["conversationId"]
    frames = asyncio.ensure_future(channel.frames(answer.body["streamUrl"], 3))
    await say(channel, conversation, "29:ann", "lunch?")
    await say(channel, conversation, "29:bob", "@Bot where?")
    activities, _ = await frames
    assert [each["text"] for each in activities] == ["lunch?", "<at>Bot</at> where?", "echo: <at>Bot</at> where?"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"members": []}, 400, "MissingProperty"),
        ({"members": None}, 400, "MissingProperty"),
        ({"members": [{"name": "x"}]}, 400, "MissingProperty"),
        ({"members": 5}, 400, "BadArgument"),
        ({"members": [5]}, 400, "BadArgument"),
        ({"isGroup": "yes"}, 400, "BadArgument"),
        ({"channelId": "directline"}, 400, "BadArgument"),
        ({"conversationType": "meeting"}, 400, "BadArgument"),
        ({"topicName": {}}, 400, "BadArgument"),
    ],
)
async def test_groups_that_cannot_be(channel, changes, status, code):
    answer = await channel.dl("POST", "/conversations", {**GROUP, **changes})
    assert (answer.status, answer.code) == (status, code)


async def test_a_token_makes_no_group_and_directline_has_none(channel):
    _, token, _ = await channel.open()
    assert (await channel.dl("POST", "/conversations", GROUP, token=token)).status == 403
    body = {"isGroup": True, "members": PEOPLE}
    answer = await channel.call("POST", "/v3/conversations", body, token=None)
    assert (answer.status, answer.code) == (400, "BadArgument")
    several = await channel.call("POST", "/teams/v3/conversations", {"members": PEOPLE}, token=None)
    assert (several.status, several.code) == (400, "BadArgument")
