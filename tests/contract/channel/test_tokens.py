"""Direct Line's secret and tokens: who reaches what."""

import asyncio

import jwt
import pytest

from local.channel import tokens


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
