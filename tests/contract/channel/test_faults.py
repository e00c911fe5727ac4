"""Faults on demand, what the account makes of them, and the wire log."""

import asyncio
import re
import time

import aiohttp
import pytest

from local.channel.faults import PRESETS
from tests.contract.channel.conftest import Client


async def texts(channel, question):
    return await channel.texts(question["conversation"]["id"], "the-secret")


@pytest.mark.parametrize(
    "preset",
    [name for name, rule in PRESETS.items() if rule.get("status") and "html" not in rule and "operations" not in rule],
)
async def test_presets_answer_their_status_and_code(channel, bot, question, preset):
    await channel.fault_once(preset=preset)
    status, body = await bot.say(question, "x")
    assert status == PRESETS[preset]["status"]
    assert body["error"]["code"] == PRESETS[preset]["code"]
    assert ("x" in await texts(channel, question)) == PRESETS[preset].get("taken", False)
    assert (await bot.say(question, "y"))[0] == 200


async def test_retry_after_and_html(channel, bot, question):
    await channel.fault_once(preset="429-retry-after", retryAfter=7)
    url = f"/v3/conversations/{question['conversation']['id']}/activities"
    answer = await channel.call("POST", url, {"type": "message"}, token=None)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    await channel.fault_once(preset="502-html")
    answer = await channel.call("POST", url, {"type": "message"}, token=None)
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<html>")


@pytest.mark.parametrize("taken", [True, False])
async def test_dropped_connections_before_and_after_the_message_was_taken(channel, bot, question, taken):
    await channel.fault_once(preset="drop-taken" if taken else "drop")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bot.say(question, "x")
    assert ("x" in await texts(channel, question)) == taken
    counts = await channel.account()
    assert (counts["dropped"], counts["kept"], counts["keptWithoutAYes"]) == (1, int(taken), int(taken))
    assert (await bot.say(question, "x"))[0] == 200
    counts = await channel.account()
    assert (counts["asked"], counts["messages"], counts["delivered"]) == (2, 1, 1)
    assert counts["duplicated"] == int(taken)
    duplicates = (await channel.account("?list=duplicated"))["entries"]
    assert [len(each["activities"]) for each in duplicates] == [2] * taken


@pytest.mark.parametrize("taken", [True, False])
async def test_slow_answers_keep_the_message_once(channel, bot, question, taken):
    await channel.fault_once(preset="slow", delay=0.4, taken=taken)
    started = time.monotonic()
    status, answer = await bot.say(question, "x")
    assert time.monotonic() - started >= 0.4
    shown = [activity["id"] for activity in (await channel.activities(question["conversation"]["id"], "the-secret"))[0]]
    assert (status, answer["id"]) == (200, shown[-1])
    assert (await texts(channel, question)).count("x") == 1
    counts = await channel.account()
    assert (counts["kept"], counts["duplicated"]) == (1, 0)


@pytest.mark.parametrize("status", [200, 503])
async def test_a_page_of_html_has_the_words_of_its_status(channel, bot, question, status):
    await channel.fault_once(status=status, html=True)
    url = f"/v3/conversations/{question['conversation']['id']}/activities"
    answer = await channel.call("POST", url, {"type": "message"}, token=None)
    assert answer.status == status
    assert {200: b"200 OK", 503: b"503 Service Unavailable"}[status] in answer.body


async def test_faults_by_conversation_by_operation_by_rate_and_removed(channel, bot, question):
    conversation, token, _ = await channel.open("dl_bob")
    await channel.say(conversation, token, "hi")
    other = bot.of_type("message")[-1]
    await channel.fault(preset="500", conversation=conversation)
    assert (await bot.say(question, "x"))[0] == 200
    assert (await bot.say(other, "x"))[0] == 500
    assert (await channel.call("DELETE", "/admin/faults", token=None)).body == {"removed": 1}
    read = await channel.fault(preset="503", operations=["read"])
    assert (await bot.call("GET", question, "/members"))[0] == 503
    assert (await bot.say(question, "x"))[0] == 200
    assert (await channel.call("DELETE", f"/admin/faults/{read['id']}", token=None)).status == 200
    assert (await channel.call("DELETE", "/admin/faults/99", token=None)).status == 404
    await channel.fault(preset="429", rate=0.5)
    statuses = [(await bot.say(question, f"r{number}"))[0] for number in range(60)]
    assert 10 < statuses.count(429) < 50


async def test_clients_can_be_struck_as_well(channel, bot, question):
    await channel.fault_once(preset="429-retry-after", operations=["client"])
    answer = await channel.say(question["conversation"]["id"], "the-secret", "x")
    assert (answer.status, answer.code) == (429, "TooManyRequests")
    assert answer.headers["Retry-After"] == "2"


async def test_the_bot_can_be_posted_to_twice_and_a_client_told_a_timeout(channel, bot, question):
    conversation = question["conversation"]["id"]
    await channel.fault_once(preset="turn-twice")
    assert (await channel.say(conversation, "the-secret", "again")).status == 200
    first, second = bot.of_type("message")[-2:]
    assert first == second
    assert (await texts(channel, question)).count("again") == 1
    await channel.fault_once(preset="turn-504")
    answer = await channel.say(conversation, "the-secret", "late")
    assert (answer.status, answer.code) == (504, "BotTimeout")
    assert bot.of_type("message")[-1]["text"] == "late"


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({}, "'status'"),
        ({"taken": True, "rate": 0.5}, "'status'"),
        ({"preset": "none"}, "'preset'"),
        ({"status": 99}, "'status'"),
        ({"status": "500"}, "$.status"),
        ({"status": 500, "rate": 2}, "'rate'"),
        ({"status": 500, "rate": -0.1}, "'rate'"),
        ({"status": 500, "x": 1}, "`x`"),
        ({"preset": "500", "operations": ["sing"]}, "'operations'"),
        ({"preset": "500", "operations": "send"}, "$.operations"),
        ({"status": 500, "operations": []}, "'operations'"),
        ({"status": 500, "conversation": 5}, "$.conversation"),
        ({"status": 500, "conversation": "x", "operations": ["create", "login"]}, "'conversation'"),
        ({"preset": "500", "times": 0}, "'times'"),
        ({"preset": "429", "retryAfter": -1}, "'retryAfter'"),
        ({"preset": "429", "retryAfter": 1e9}, "'retryAfter'"),
        ({"preset": "slow", "retryAfter": 1}, "'retryAfter'"),
        ({"preset": "slow", "retryAfter": 0}, "'retryAfter'"),
        ({"status": 500, "user": "x", "operations": ["conversations", "login"]}, "'user'"),
        ({"status": 500, "delay": -1}, "'delay'"),
        ({"delay": 601}, "'delay'"),
        ({"delay": 1, "code": "ServiceError"}, "'code'"),
        ({"twice": True, "html": True}, "'html'"),
        ({"preset": "drop", "status": 500}, "'status'"),
        ({"preset": "drop", "operations": ["turn"]}, "'drop'"),
        ({"preset": "500", "operations": ["frame"]}, "'status'"),
        ({"delay": 1, "taken": True, "operations": ["frame"]}, "'taken'"),
        ({"delay": 1, "taken": True, "operations": ["stream"]}, "'taken'"),
        ({"twice": True, "operations": ["client"]}, "'twice'"),
        ({"twice": True, "operations": ["send", "delete"]}, "'twice'"),
    ],
)
async def test_malformed_faults_are_400_naming_what_is_wrong(channel, rule, named):
    answer = await channel.call("POST", "/admin/faults", rule, token=None)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert named in answer.body["error"]["message"]
    assert await rules(channel) == []
    made = await channel.fault(preset="503", times=3)
    answer = await channel.call("PUT", f"/admin/faults/{made['id']}", rule, token=None)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert await rules(channel) == [made]


async def rules(channel):
    return (await channel.call("GET", "/admin/faults", token=None)).body["faults"]


async def test_a_rule_is_changed_in_its_place_and_begins_anew(channel, bot, question):
    first = await channel.fault(preset="503", times=1)
    await channel.fault(preset="500")
    assert [(await bot.say(question, "x"))[0] for _ in range(2)] == [503, 500]
    changed = await channel.call("PUT", f"/admin/faults/{first['id']}", {"preset": "412", "times": 2}, token=None)
    assert (changed.status, changed.body["id"], changed.body["status"]) == (200, first["id"], 412)
    await channel.restart()
    assert [(await bot.say(question, "x"))[0] for _ in range(3)] == [412, 412, 500]
    assert [(rule["status"], rule["used"]) for rule in await rules(channel)] == [(412, 2), (500, 2)]
    assert (await channel.call("PUT", "/admin/faults/99", {"preset": "412"}, token=None)).status == 404


async def test_faults_and_the_account_survive_a_restart(channel, bot, question):
    await channel.fault(preset="503", times=3)
    assert (await bot.say(question, "x"))[0] == 503
    conversation = question["conversation"]["id"]
    slow = await channel.fault(preset="slow", delay=0.001, operations=["post"])
    await channel.say(conversation, "the-secret", "slowly")
    await channel.restart()
    assert [(rule["id"], rule["used"]) for rule in await rules(channel)] == [("1", 1), (slow["id"], 1)]
    assert [(await bot.say(question, "x"))[0] for _ in range(3)] == [503, 503, 200]
    counts = await channel.account()
    assert counts["byStatus"] == {"200": 1, "503": 3}
    assert (counts["asked"], counts["accepted"], counts["refused"], counts["undelivered"]) == (4, 1, 3, 0)


async def test_options_are_there_once_however_often_it_starts(tmp_path, bot):
    client = Client(tmp_path / "options", bot, faults=("429,times=1", "slow,delay=0.1"), limits=True)
    await client.start()
    await client.fault(preset="500")
    await client.restart()
    assert sorted(rule.get("status", 0) for rule in await rules(client)) == [0, 429, 500]
    assert (await client.call("GET", "/admin/limits", token=None)).body["enabled"] is True
    await client.stop()


async def test_nothing_lost_is_a_query(channel, bot, question):
    for preset in ("429", "500", "502-html", "504-taken", "drop", "drop-taken"):
        await channel.fault(preset=preset, rate=0.15)

    async def deliver(number):
        for _ in range(50):
            try:
                if (await bot.say(question, "same text", channelData={"deliveryId": f"d{number}"}))[0] == 200:
                    return
            except (aiohttp.ClientError, ValueError):
                continue
        raise AssertionError("never delivered")

    await asyncio.gather(*(deliver(number) for number in range(30)))
    counts = await channel.account()
    assert (counts["messages"], counts["delivered"], counts["undelivered"]) == (30, 30, 0)
    assert (
        counts["asked"]
        == sum(counts["byStatus"].values())
        == len((await channel.account("?list=asked&limit=1000"))["entries"])
    )
    assert counts["duplicated"] == counts["kept"] - 30
    assert (await channel.account("?list=undelivered"))["entries"] == []
    await channel.call("DELETE", "/admin/account", token=None)
    assert (await channel.account())["asked"] == 0


async def test_the_wire_shows_both_directions_and_failures(channel, bot, question):
    await bot.say(question, "x")
    bot.status = 500
    await channel.say(question["conversation"]["id"], "the-secret", "broken")
    entries = (await channel.call("GET", "/admin/wire", token=None)).body["entries"]
    ways = [(entry["way"], entry["status"]) for entry in entries]
    assert ways == [("to-bot", 200), ("to-bot", 200), ("from-bot", 200), ("to-bot", 502)]
    assert entries[2]["body"]["text"] == "x"
    assert "HTTP 500" in entries[3]["note"]
    later = await channel.call("GET", f"/admin/wire?after={entries[2]['id']}", token=None)
    assert [entry["id"] for entry in later.body["entries"]] == [entries[3]["id"]]


@pytest.mark.parametrize("number", ["x", "-1", "9" * 5000])
async def test_what_is_no_number_of_the_wire_is_400(channel, number):
    for path, headers in ((f"/admin/wire?after={number}", {}), ("/admin/wire/stream", {"Last-Event-ID": number})):
        answer = await channel.call("GET", path, token=None, headers=headers)
        assert (answer.status, answer.code) == (400, "BadArgument")


async def test_the_wire_can_be_followed(channel, bot, question):
    async with channel.session.get(f"{channel.url}/admin/wire/stream") as stream:
        await bot.say(question, "live")
        seen = b""
        while b"live" not in seen:
            seen += await asyncio.wait_for(stream.content.readline(), 60)
    assert re.search(rb"id: \d+\ndata: ", seen)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_other_sites_cannot_use_admin_or_get_tokens(channel, headers):
    for method, path in (("POST", "/page/token"), ("GET", "/admin/wire"), ("DELETE", "/admin/faults")):
        answer = await channel.call(method, path, token=None, headers=headers)
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
