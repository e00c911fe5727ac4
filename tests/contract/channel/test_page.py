"""The page's own routes: files, policy, tokens, the Outbox."""

import re

import jwt
import pytest
from aiohttp import web

from local.channel import outbox
from local.channel.page import SOURCES
from tests.local_channel import Client


async def test_the_page_has_a_strict_policy_with_a_fresh_nonce(channel):
    nonces = set()
    for _ in range(2):
        answer = await channel.call("GET", "/", token=None)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.status == 200
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        (nonce,) = set(re.findall(r"script-src 'nonce-([^']+)'", policy))
        assert answer.body.decode().count(f'nonce="{nonce}"') == 2
        nonces.add(nonce)
    assert len(nonces) == 2


async def test_the_page_never_holds_the_secret(channel):
    bodies = [(await channel.call("GET", path, token=None)).body for path in ("/", "/page/chat.js")]
    assert b"the-secret" not in b"".join(bodies)


@pytest.mark.parametrize("name", sorted(path.name for path in SOURCES.iterdir() if path.suffix != ".html"))
async def test_its_files(channel, name):
    answer = await channel.call("GET", f"/page/{name}", token=None)
    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2fpage.py", ".css"])
async def test_nothing_else(channel, name):
    assert (await channel.call("GET", f"/page/{name}", token=None)).status == 404


async def test_a_token_for_the_page_and_again_for_its_conversation(channel, bot):
    first = (await channel.call("POST", "/page/token", {"user": "dl_ann"}, token=None)).body
    assert first["known"] is False
    assert jwt.decode(first["token"], options={"verify_signature": False})["user"] == "dl_ann"
    await channel.dl("POST", "/conversations", token=first["token"])
    wanted = {"user": "dl_ann", "conversationId": first["conversationId"]}
    again = (await channel.call("POST", "/page/token", wanted, token=None)).body
    assert (again["known"], again["conversationId"]) == (True, first["conversationId"])
    other = (await channel.call("POST", "/page/token", {**wanted, "user": "dl_bob"}, token=None)).body
    assert (other["known"], other["conversationId"] != first["conversationId"]) == (False, True)
    assert (await channel.call("POST", "/page/token", {"channelId": "skype"}, token=None)).status == 400


async def test_the_page_joins_a_teams_conversation_that_the_bot_made(channel):
    made = await channel.call("POST", "/teams/v3/conversations", {"members": [{"id": "dl_ann"}]}, token=None)
    wanted = {"user": "dl_ann", "channelId": "msteams"}
    granted = (await channel.call("POST", "/page/token", wanted, token=None)).body
    assert (granted["known"], granted["conversationId"]) == (True, made.body["id"])
    fresh = (await channel.call("POST", "/page/token", {**wanted, "fresh": True}, token=None)).body
    assert fresh["known"] is False


async def test_the_outbox_of_a_stand_in(tmp_path, bot, monkeypatch):
    pane = outbox.Pane()
    monkeypatch.setattr(outbox, "Pane", lambda: pane)
    monkeypatch.setattr(outbox, "KEPT_SECONDS", 3600)
    sent = [
        {"id": 8, "kind": "sms", "to": "+1", "text": "one"},
        {"id": 9, "kind": "email", "to": "a@b", "subject": "two", "html": "<p>two</p>"},
        "noise",
    ]

    fetched = []

    async def messages(request):
        fetched.append(request)
        return web.json_response({"messages": sent})

    app = web.Application()
    app.router.add_get("/outbox", messages)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(tmp_path / "state", bot, outbox=f"http://127.0.0.1:{runner.addresses[0][1]}/outbox")
    await client.start()
    try:
        answer = await client.call("GET", "/page/outbox", token=None)
        assert answer.body["messages"] == [{**sent[1], "html": True}, {**sent[0], "html": False}]
        mail = await client.call("GET", "/page/outbox/9", token=None)
        assert (mail.status, mail.body) == (200, b"<p>two</p>")
        assert mail.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        for number in ("8", "99", "9x", "%2e%2e"):
            assert (await client.call("GET", f"/page/outbox/{number}", token=None)).status == 404
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert (await client.call("GET", "/page/outbox/9", token=None, headers=elsewhere)).status == 403
        assert len(fetched) == 1, "a page with hundreds of e-mails fetches them once"
        await runner.cleanup()
        pane._forget()
        answer = await client.call("GET", "/page/outbox", token=None)
        assert (answer.status, answer.code) == (502, "BadGateway")
    finally:
        await client.stop()


async def test_no_outbox_says_what_to_do(channel):
    answer = await channel.call("GET", "/page/outbox", token=None)
    assert answer.status == 404
    assert "--outbox" in answer.body["error"]["message"]


async def test_a_reader_of_the_wire_misses_nothing_after_a_restart(channel, bot):
    conversation, token, _ = await channel.open()
    for _ in range(3):
        await channel.say(conversation, token, "before")
    known = (await channel.call("GET", "/admin/wire", token=None)).body["entries"][-1]["id"]
    await channel.restart()
    for number in range(4):
        await channel.say(conversation, token, f"after {number}")
    entries = (await channel.call("GET", f"/admin/wire?after={known}", token=None)).body["entries"]
    asked = [entry["body"]["text"] for entry in entries if entry["way"] == "to-bot"]
    assert asked == [f"after {number}" for number in range(4)]
