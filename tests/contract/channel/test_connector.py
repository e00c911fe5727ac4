"""The connector, as a bot calls it."""

import base64

import pytest


@pytest.fixture
async def question(channel, bot):
    """A user's message as the bot got it."""
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "hi")
    return bot.of_type("message")[-1]


@pytest.fixture
async def teams(channel, bot):
    """The same of a conversation that the bot sees as Teams."""
    conversation, token, _ = await channel.open("29:ann", channelId="msteams")
    await channel.say(conversation, token, "hi")
    return bot.of_type("message")[-1]


async def test_a_send_and_a_reply_are_shown(channel, bot, question):
    status, sent = await bot.call("POST", question, "/activities", {"type": "message", "text": "one"})
    assert status == 200
    reply = {"type": "message", "text": "two", "channelData": {"x": 1}}
    status, answered = await bot.call("POST", question, f"/activities/{question['id'].replace('|', '%7C')}", reply)
    assert status == 200
    activities, _ = await channel.activities(question["conversation"]["id"], "the-secret")
    one, two = activities[-2:]
    assert (one["id"], two["id"]) == (sent["id"], answered["id"])
    assert (two["replyToId"], two["channelData"]) == (question["id"], {"x": 1})


async def test_direct_line_cannot_edit_or_delete(bot, question):
    for method in ("PUT", "DELETE"):
        status, body = await bot.call(method, question, f"/activities/{question['id']}", {"type": "message"})
        assert status == 405
        assert body["error"] == {"code": "BadArgument", "message": "This channel does not support this operation"}


async def test_the_bot_cannot_forge_ids_or_conversations(channel, bot, question):
    forged = {
        "type": "message",
        "id": "mine",
        "text": "x",
        "conversation": {"id": "other"},
        "from": {"id": "dl_ann", "role": "user"},
    }
    await bot.call("POST", question, "/activities", forged)
    shown = (await channel.activities(question["conversation"]["id"], "the-secret"))[0][-1]
    assert shown["id"] != "mine"
    assert shown["conversation"]["id"] == question["conversation"]["id"]
    assert shown["from"]["id"] == "bot"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/activities", {}, 400, "MissingProperty"),
        ("/activities", [], 400, "BadArgument"),
        ("/activities", {"type": "message", "attachments": 5}, 400, "BadArgument"),
        ("/activities/history", {"activities": 5}, 400, "BadArgument"),
        ("/attachments", {"originalBase64": "***"}, 400, "BadArgument"),
    ],
)
async def test_malformed_calls(bot, question, path, body, status, code):
    answered, data = await bot.call("POST", question, path, body)
    assert (answered, data["error"]["code"]) == (status, code)


async def test_an_unknown_conversation_is_404(bot, question):
    status, body = await bot.call(
        "POST", {**question, "conversation": {"id": "no"}}, "/activities", {"type": "message"}
    )
    assert (status, body["error"]["code"]) == (404, "ConversationNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/activities"),
        ("POST", "/activities/x"),
        ("PUT", "/activities/x"),
        ("DELETE", "/activities/x"),
        ("POST", "/activities/history"),
        ("GET", "/activities/x/members"),
        ("GET", "/members"),
        ("GET", "/members/x"),
        ("DELETE", "/members/x"),
        ("GET", "/pagedmembers"),
        ("POST", "/attachments"),
    ],
)
async def test_every_call_on_an_unknown_conversation_is_404(channel, bot, method, path):
    for prefix in ("", "/teams"):
        nowhere = {"serviceUrl": channel.url + prefix, "conversation": {"id": "19:no@thread.v2"}}
        body = {"type": "message", "activities": []} if method in ("POST", "PUT") else None
        status, answer = await bot.call(method, nowhere, path, body)
        assert (status, answer["error"]["code"]) == (404, "ConversationNotFound")
        assert "19:no@thread.v2" in answer["error"]["message"]


async def test_members_of_an_activity_that_is_none_are_404(channel, bot, question, teams):
    for asked in (question, teams):
        own = asked["id"].replace("|", "%7C")
        for unknown in (
            "nope",
            f"{asked['conversation']['id']}%7C0000099",
            f"{asked['conversation']['id']}%7C0",
            f"x{own}",
        ):
            status, body = await bot.call("GET", asked, f"/activities/{unknown}/members")
            assert (status, body["error"]["code"]) == (404, "ActivityNotFound")
        assert (await bot.call("GET", asked, f"/activities/{own}/members"))[0] == 200
    update = bot.of_type("conversationUpdate")[0]
    assert (await bot.call("GET", update, f"/activities/{update['id']}/members"))[0] == 200
    _, sent = await bot.say(teams, "oops")
    assert (await bot.call("GET", teams, f"/activities/{sent['id']}/members"))[0] == 200
    await bot.call("DELETE", teams, f"/activities/{sent['id']}")
    assert (await bot.call("GET", teams, f"/activities/{sent['id']}/members"))[0] == 404


async def test_members_are_told_while_the_turn_is_not_over(channel, bot):
    told = []

    async def ask(activity):
        told.append((await bot.call("GET", activity, f"/activities/{activity['id'].replace('|', '%7C')}/members"))[0])

    bot.on_message = ask
    conversation, token, _ = await channel.open()
    assert (await channel.say(conversation, token, "hi")).status == 200
    assert told == [200]


async def test_history_is_kept_in_order(channel, bot, question):
    activities = [{"type": "message", "text": f"old {number}"} for number in range(3)]
    status, body = await bot.call("POST", question, "/activities/history", {"activities": activities})
    assert status == 200
    assert body["id"]
    texts = await channel.texts(question["conversation"]["id"], "the-secret")
    assert texts[-3:] == ["old 0", "old 1", "old 2"]


async def test_members(channel, bot, question):
    status, members = await bot.call("GET", question, "/members")
    assert status == 200
    assert [member["id"] for member in members] == ["bot", "dl_ann"]
    assert (await bot.call("GET", question, f"/activities/{question['id']}/members"))[1] == members
    assert (await bot.call("GET", question, "/members/dl_ann"))[1]["role"] == "user"
    assert (await bot.call("GET", question, "/members/nobody"))[0] == 404
    status, page = await bot.call("GET", question, "/pagedmembers?pageSize=1")
    assert [member["id"] for member in page["members"]] == ["bot"]
    _, rest = await bot.call("GET", question, f"/pagedmembers?pageSize=1&continuationToken={page['continuationToken']}")
    assert [member["id"] for member in rest["members"]] == ["dl_ann"]
    assert "continuationToken" not in rest
    assert (await bot.call("GET", question, "/pagedmembers?pageSize=x"))[0] == 400
    assert (await bot.call("GET", question, "/pagedmembers?continuationToken=x"))[0] == 400
    assert (await bot.call("DELETE", question, "/members/dl_ann"))[0] == 200
    assert (await bot.call("DELETE", question, "/members/dl_ann"))[0] == 404


async def test_attachments(channel, bot, question):
    data = {"type": "image/png", "name": "a.png", "originalBase64": base64.b64encode(b"PNG").decode()}
    status, made = await bot.call("POST", question, "/attachments", data)
    assert status == 201
    info = await channel.call("GET", f"/v3/attachments/{made['id']}", token=None)
    assert info.body["name"] == "a.png"
    assert info.body["views"] == [{"viewId": "original", "size": 3}]
    view = await channel.call("GET", f"/v3/attachments/{made['id']}/views/original", token=None)
    assert (view.body, view.headers["Content-Type"]) == (b"PNG", "image/png")
    assert (await channel.call("GET", f"/v3/attachments/{made['id']}/views/thumbnail", token=None)).status == 404
    assert (await channel.call("GET", "/v3/attachments/none", token=None)).status == 404


async def test_conversations_are_listed(channel, bot, question):
    answer = await channel.call("GET", "/v3/conversations", token=None)
    (only,) = answer.body["conversations"]
    assert only["id"] == question["conversation"]["id"]
    assert [member["id"] for member in only["members"]] == ["bot", "dl_ann"]


async def test_teams_activities_carry_tenant_and_object_id(bot, teams):
    assert teams["channelId"] == "msteams"
    assert teams["serviceUrl"].endswith("/teams/")
    assert teams["conversation"]["conversationType"] == "personal"
    assert teams["conversation"]["tenantId"] == teams["channelData"]["tenant"]["id"]
    assert len(teams["from"]["aadObjectId"]) == 36
    assert teams["recipient"]["id"] == "28:bot"
    kinds = [activity["type"] for activity in bot.received]
    assert kinds == ["conversationUpdate", "installationUpdate", "message"]


async def test_teams_edits_in_place(channel, bot, teams):
    _, sent = await bot.call("POST", teams, "/activities", {"type": "message", "text": "10 %"})
    _, watermark = await channel.activities(teams["conversation"]["id"], "the-secret")
    status, answered = await bot.call("PUT", teams, f"/activities/{sent['id']}", {"type": "message", "text": "20 %"})
    assert (status, answered["id"]) == (200, sent["id"])
    (edited,), _ = await channel.activities(teams["conversation"]["id"], "the-secret", watermark)
    assert (edited["id"], edited["text"]) == (sent["id"], "20 %")
    everything = await channel.texts(teams["conversation"]["id"], "the-secret")
    assert everything[-1] == "20 %"


async def test_teams_deletes(channel, bot, teams):
    _, sent = await bot.call("POST", teams, "/activities", {"type": "message", "text": "oops"})
    _, watermark = await channel.activities(teams["conversation"]["id"], "the-secret")
    assert (await bot.call("DELETE", teams, f"/activities/{sent['id']}"))[0] == 200
    (gone,), _ = await channel.activities(teams["conversation"]["id"], "the-secret", watermark)
    assert (gone["type"], gone["id"]) == ("messageDelete", sent["id"])
    assert "oops" not in await channel.texts(teams["conversation"]["id"], "the-secret")
    assert (await bot.call("DELETE", teams, f"/activities/{sent['id']}"))[0] == 404
    status, body = await bot.call("PUT", teams, f"/activities/{sent['id']}", {"type": "message"})
    assert (status, body["error"]["code"]) == (404, "ActivityNotFound")
    assert (await bot.call("PUT", teams, f"/activities/{teams['id']}", {"type": "message"}))[0] == 403


async def test_teams_refuses_large_messages(channel, bot, teams, question):
    assert (await bot.say(teams, "x" * 40_000))[0] == 200
    status, body = await bot.say(teams, "x" * 60_000)
    assert (status, body["error"]["code"]) == (413, "MessageSizeTooBig")
    assert (await bot.say(question, "x" * 60_000))[0] == 200
    # Two units of UTF-16 each.
    assert (await bot.say(teams, "😀" * 20_000))[0] == 200
    assert (await bot.say(teams, "😀" * 30_000))[0] == 413


async def test_teams_roster_knows_people_by_both_ids(bot, teams):
    _, members = await bot.call("GET", teams, "/members")
    (ann,) = members
    assert ann["tenantId"] == teams["conversation"]["tenantId"]
    assert "@" in ann["userPrincipalName"]
    assert (await bot.call("GET", teams, f"/members/{ann['aadObjectId']}"))[1] == ann


async def test_a_teams_conversation_is_created_once_per_user(channel, bot):
    body = {
        "bot": {"id": "28:bot"},
        "members": [{"id": "29:new"}],
        "tenantId": "t-1",
        "channelData": {"tenant": {"id": "t-1"}},
        "activity": {"type": "message", "text": "welcome"},
    }
    first = await channel.call("POST", "/teams/v3/conversations", body, token=None)
    assert first.status == 201
    assert set(first.body) == {"id", "activityId", "serviceUrl"}
    again = await channel.call("POST", "/teams/v3/conversations", {**body, "activity": None}, token=None)
    assert again.body["id"] == first.body["id"]
    other = await channel.call("POST", "/teams/v3/conversations", {**body, "tenantId": "t-2"}, token=None)
    assert other.body["id"] != first.body["id"]
    assert await channel.texts(first.body["id"], "the-secret") == ["welcome"]
    assert (await channel.call("POST", "/v3/conversations", {"members": []}, token=None)).status == 400
