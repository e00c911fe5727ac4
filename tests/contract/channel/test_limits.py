"""Teams' limits: counted by conversation and by tenant, as settings. Windows of an hour: this machine may be slow."""

from tests.contract.channel.conftest import Client


async def test_teams_limits_per_conversation(channel, bot, question):
    # An hour: however slow this machine is.
    await channel.call("PUT", "/admin/limits", {"enabled": True, "send": {"3600": 7}, "app": {"1": 0}}, token=None)
    answers = [await bot.say(question, f"m{number}") for number in range(8)]
    assert [status for status, _ in answers] == [200] * 7 + [429]
    assert answers[-1][1]["error"]["code"] == "TooManyRequests"
    await channel.call("PUT", "/admin/limits", {"enabled": False}, token=None)
    assert (await bot.say(question, "again"))[0] == 200
    assert (await channel.call("PUT", "/admin/limits", {"enabled": 1}, token=None)).status == 400


async def test_limits_are_settings(tmp_path, bot):
    client = Client(tmp_path / "limits", bot, limit=("send/1=2", "send/2=0"))
    await client.start()
    figures = (await client.call("GET", "/admin/limits", token=None)).body
    assert (figures["enabled"], figures["send"]["1"], figures["send"]["2"], figures["app"]) == (True, 2, 0, {"1": 50})
    conversation, token, _ = await client.open()
    bot.echoes = False
    await client.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    # An hour: however slow this machine is.
    changed = await client.call("PUT", "/admin/limits", {"send": {"3600": 3}, "app": {"1": 0}}, token=None)
    assert changed.body == {**figures, "send": {**figures["send"], "3600": 3}, "app": {"1": 0}}
    statuses = []
    while statuses.count(200) < 3:
        statuses.append((await bot.say(question, "x"))[0])
    status, answer = await bot.say(question, "x")
    assert (status, answer["error"]["code"]) == (429, "TooManyRequests")
    refused = await client.call("PUT", "/admin/limits", {"send": {"1": -1}}, token=None)
    assert (refused.status, refused.code) == (400, "BadArgument")
    await client.stop()


async def test_tenants_are_counted_apart_and_all_calls_of_one_together(channel, bot):
    async def made(tenant, user):
        body = {"tenantId": tenant, "members": [{"id": user}]}
        return await channel.call("POST", "/teams/v3/conversations", body, token=None)

    def members(conversation):
        return channel.call("GET", f"/teams/v3/conversations/{conversation}/members", token=None)

    first, second = (await made("t", "29:a")).body["id"], (await made("u", "29:a")).body["id"]
    figures = {"enabled": True, "app": {"1": 0, "3600": 3}, "create": {"1": 0, "2": 0, "3600": 1}}
    assert (await channel.call("PUT", "/admin/limits", figures, token=None)).status == 200
    assert [(await made("t", user)).status for user in ("29:b", "29:c")] == [201, 429]
    assert (await made("u", "29:b")).status == 201
    text = {"type": "message", "text": "x"}
    sent = await channel.call("POST", f"/teams/v3/conversations/{first}/activities", text, token=None)
    assert (sent.status, (await members(first)).status) == (200, 200)
    refused = await members(first)
    assert (refused.status, refused.code) == (429, "TooManyRequests")
    assert 3000 < int(refused.headers["Retry-After"]) <= 3600
    assert (await members(second)).status == 200


async def test_a_refused_call_is_no_attempt_of_a_fault_and_is_accounted_for(channel, bot, question):
    await channel.call("PUT", "/admin/limits", {"enabled": True, "send": {"3600": 1}, "app": {"1": 0}}, token=None)
    rule = await channel.fault_once(preset="503")
    assert [(await bot.say(question, text))[0] for text in "ab"] == [503, 429]
    counts = await channel.account()
    assert (counts["byStatus"], counts["undelivered"]) == ({"429": 1, "503": 1}, 2)
    refused, struck = (await channel.account("?list=refused"))["entries"][::-1]
    assert (refused["fault"], struck["fault"]) == ("", rule["id"])
