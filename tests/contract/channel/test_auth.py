"""--auth: the whole authenticated path, held against botframework-connector's own checks."""

import asyncio
import time

import aiohttp
import jwt
import pytest

from local.channel import auth
from tests.local_channel import Client, Program

APP = "11111111-1111-4111-8111-111111111111"
OPTIONS = {"auth": True, "app_id": APP, "app_password": "pass word"}
GRANT = {"grant_type": "client_credentials", "client_id": APP, "client_secret": "pass word"}
SCOPE = {"scope": "https://api.botframework.com/.default"}


@pytest.fixture
async def channel(tmp_path, bot):
    client = Client(tmp_path / "state", bot, **OPTIONS)
    await client.start()
    yield client
    await client.stop()


async def token_of(channel, **changes):
    form = {**GRANT, **SCOPE, **changes}
    return await channel.call("POST", "/botframework.com/oauth2/v2.0/token", data=aiohttp.FormData(form), token=None)


async def question_of(channel, bot):
    conversation, token, _ = await channel.open()
    bot.token = (await token_of(channel)).body["access_token"]
    await channel.say(conversation, token, "hi")
    return bot.of_type("message")[-1]


async def test_calls_to_the_bot_are_signed_with_a_published_key(channel, bot):
    await question_of(channel, bot)
    token = bot.headers[-1]["Authorization"].removeprefix("Bearer ")
    metadata = (await channel.call("GET", "/v1/.well-known/openidconfiguration", token=None)).body
    assert metadata["issuer"] == "https://api.botframework.com"
    keys = (await channel.call("GET", metadata["jwks_uri"], token=None)).body["keys"]
    key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    assert {"directline", "msteams"} <= set(key["endorsements"])
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=APP)
    assert claims["serviceurl"] == channel.url


async def test_the_bot_is_granted_a_token_and_needs_it(channel, bot):
    question = await question_of(channel, bot)
    assert (await bot.say(question, "yes"))[0] == 200
    for bad, status in (("", 401), ("garbage", 401), ("a.b.c", 401)):
        bot.token = bad
        answered, body = await bot.say(question, "no")
        assert (answered, body["error"]["code"]) == (status, "Unauthorized")
    assert "no" not in await channel.texts(question["conversation"]["id"], "the-secret")


async def test_a_token_of_another_app_is_403_and_an_expired_one_401(channel, bot, monkeypatch):
    from local.channel.context import CHANNEL

    question = await question_of(channel, bot)
    authority = channel.runner.app[CHANNEL].authority
    bot.token = authority._sign({"aud": auth.SCOPE, "appid": "other"})
    assert (await bot.say(question, "x"))[0] == 403
    monkeypatch.setattr(auth, "BOT_TOKEN_SECONDS", -10)
    bot.token = authority._sign({"aud": auth.SCOPE, "appid": APP})
    assert (await bot.say(question, "x"))[0] == 401


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_scope"),
    ],
)
async def test_refused_grants(channel, changes, status, error):
    answer = await token_of(channel, **changes)
    assert (answer.status, answer.body["error"]) == (status, error)


@pytest.mark.parametrize("path", ["/oauth2/v2.0/token", "/botframework.com/oauth2/v2.0/token"])
async def test_a_grant_can_be_struck_whatever_its_path(channel, path):
    fault = {"preset": "503", "operations": ["login"], "times": 1}
    assert (await channel.call("POST", "/admin/faults", fault, token=None)).status == 201
    statuses = [
        (await channel.call("POST", path, data=aiohttp.FormData({**GRANT, **SCOPE}), token=None)).status
        for _ in range(2)
    ]
    assert statuses == [503, 200]


async def test_basic_credentials(channel):
    headers = {"Authorization": aiohttp.encode_basic_auth(APP, "pass word")}
    form = aiohttp.FormData({"grant_type": "client_credentials", **SCOPE})
    answer = await channel.call("POST", "/oauth2/v2.0/token", data=form, headers=headers, token=None)
    assert answer.status == 200


async def test_keys_survive_a_restart_and_a_rotation_keeps_the_old_one(channel, bot):
    question = await question_of(channel, bot)
    before = bot.headers[-1]["Authorization"].removeprefix("Bearer ")
    await channel.restart()
    assert (await bot.say(question, "old token"))[0] == 200
    rotated = await channel.call("POST", "/admin/auth/rotate", token=None)
    await channel.say(question["conversation"]["id"], "the-secret", "again")
    after = bot.headers[-1]["Authorization"].removeprefix("Bearer ")
    kids = [jwt.get_unverified_header(token)["kid"] for token in (before, after)]
    assert kids[1] == rotated.body["kid"] != kids[0]
    published = (await channel.call("GET", "/v1/.well-known/keys", token=None)).body["keys"]
    assert {key["kid"] for key in published} >= set(kids)
    assert (await bot.say(question, "old token"))[0] == 200


async def test_the_next_key_is_published_before_it_signs(channel, bot):
    """A bot that fetched the keys knows the one of the next rotation, whether or not the channel has restarted."""

    async def published():
        return {key["kid"] for key in (await channel.call("GET", "/v1/.well-known/keys", token=None)).body["keys"]}

    known = await published()
    await question_of(channel, bot)
    signing = jwt.get_unverified_header(bot.headers[-1]["Authorization"].removeprefix("Bearer "))["kid"]
    await channel.restart()
    assert await published() == known
    rotated = (await channel.call("POST", "/admin/auth/rotate", token=None)).body["kid"]
    assert rotated != signing
    assert {rotated, signing} <= known
    assert len(await published() - known) == 1


async def test_botframework_connector_accepts_the_channels_tokens(tmp_path, bot):
    """The SDK fetches its keys synchronously, so the channel is a process of its own and the check a thread."""
    from botframework.connector.auth import JwtTokenExtractor, VerifyOptions

    program = Program(tmp_path / "state", bot)
    program.arguments = ("--auth", "--app-id", APP, "--app-password", "pass word")
    await program.start()
    try:
        await question_of(program, bot)
        header = bot.headers[-1]["Authorization"]
        options = VerifyOptions(
            issuer=["https://api.botframework.com"], audience=APP, clock_tolerance=300, ignore_expiration=False
        )
        extractor = JwtTokenExtractor(options, f"{program.url}/v1/.well-known/openidconfiguration", ["RS256"])

        def check(channel_id):
            return asyncio.run(extractor.get_identity_from_auth_header(header, channel_id, []))

        identity = await asyncio.to_thread(check, "directline")
        assert identity.is_authenticated
        assert identity.get_claim_value("serviceurl") == program.url
        assert identity.get_claim_value("exp") > time.time()
        with pytest.raises(Exception, match="endorsement"):
            await asyncio.to_thread(check, "skype")
        # It keeps the keys that it fetched for an hour.
        await program.call("POST", "/admin/auth/rotate", token=None)
        await question_of(program, bot)
        assert bot.headers[-1]["Authorization"] != header
        header = bot.headers[-1]["Authorization"]
        assert (await asyncio.to_thread(check, "directline")).is_authenticated
    finally:
        await program.stop()
