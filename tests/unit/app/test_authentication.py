import asyncio
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from ringback.bot.authentication import Authenticator
from ringback.bot.openid import LIFETIME_SECONDS, PAUSE_SECONDS, REFETCH_SECONDS, OpenIdKeys
from ringback.channels.http import close_session
from ringback.errors import AuthenticationError, AuthorizationError, ConfigurationError, RequestError, RetryableError
from tests.unit.app.stand_ins import APP_ID, ISSUER, Metadata, make_settings

URL = "http://127.0.0.1:3978/"
BODY = {"channelId": "directline", "serviceUrl": URL, "type": "message"}


class Clock:
    now = 1e6

    def __call__(self):
        return self.now


def authenticator(metadata, **environ):
    return Authenticator(make_settings(MicrosoftAppId=APP_ID, BOT_OPENID_METADATA_URL=metadata.metadata_url, **environ))


async def test_a_token_of_the_channel_service():
    async with Metadata() as metadata:
        bot = authenticator(metadata)
        identity = await bot.authenticate(metadata.token(URL), BODY)
        assert identity.is_authenticated
        assert identity.claims["aud"] == APP_ID
        await bot.authenticate(metadata.token(URL), BODY)
        assert [request.path for request in metadata.requests] == ["/openid", "/keys"], "keys are kept"


async def test_the_end_has_a_leeway_of_five_minutes():
    async with Metadata() as metadata:
        bot = authenticator(metadata)
        await bot.authenticate(metadata.token(URL, exp=int(time.time()) - 240), BODY)
        with pytest.raises(AuthenticationError, match="expired"):
            await bot.authenticate(metadata.token(URL, exp=int(time.time()) - 360), BODY)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"iss": "https://evil.example"}, AuthenticationError),
        ({"iss": None}, AuthenticationError),
        (
            {"iss": "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/", "ver": "1.0", "appid": APP_ID},
            AuthenticationError,
        ),
        (
            {
                "iss": "https://login.microsoftonline.com/d6d49420-f39b-4df7-a1dc-d59a935871db/v2.0",
                "ver": "2.0",
                "azp": "x",
            },
            AuthenticationError,
        ),
        ({"aud": "another-bot"}, AuthorizationError),
        ({"aud": None}, AuthorizationError),
        ({"aud": [APP_ID]}, AuthorizationError),
        ({"exp": None}, AuthenticationError),
        ({"exp": 1}, AuthenticationError),
        ({"exp": "soon"}, AuthenticationError),
        ({"nbf": 4_000_000_000}, AuthenticationError),
        ({"serviceurl": None}, AuthorizationError),
        ({"serviceurl": "https://evil.example/"}, AuthorizationError),
        ({"serviceurl": URL.rstrip("/")}, AuthorizationError),
    ],
)
async def test_claims_that_do_not_fit(claims, error):
    async with Metadata() as metadata:
        with pytest.raises(error):
            await authenticator(metadata).authenticate(metadata.token(URL, **claims), BODY)


async def test_signatures_that_do_not_fit():
    async with Metadata() as metadata:
        bot = authenticator(metadata)
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        good = metadata.token(URL)
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": APP_ID, "exp": now + 60, "serviceurl": URL}
        public = metadata.keys["key-1"].public_key().public_numbers().n.to_bytes(256, "big")
        for header in [
            metadata.token(URL, key=stranger),
            good[:-4] + "AAAA",
            f"Bearer {jwt.encode(claims, None, algorithm='none', headers={'kid': 'key-1'})}",
            f"Bearer {jwt.encode(claims, public, algorithm='HS256', headers={'kid': 'key-1'})}",
            f"Bearer {jwt.encode(claims, metadata.keys['key-1'], algorithm='RS256')}",
            f"Bearer {jwt.encode(claims, metadata.keys['key-1'], algorithm='RS512', headers={'kid': 'key-1'})}",
            good.removeprefix("Bearer "),
            good.replace("Bearer", "bearer"),
            good.replace("Bearer ", "Bearer  "),
            good + " x",
        ]:
            with pytest.raises(AuthenticationError):
                await bot.authenticate(header, BODY)


@given(st.text(max_size=60) | st.text(alphabet="abcXYZ019-_.= ", max_size=60).map("Bearer {}".format))
def test_garbage_is_unauthorized(header):
    bot = Authenticator(make_settings(MicrosoftAppId=APP_ID, BOT_OPENID_METADATA_URL="http://127.0.0.1:1/never"))
    with pytest.raises(AuthenticationError):
        asyncio.run(bot.authenticate(header, BODY))


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c"])
@pytest.mark.parametrize("body", [BODY, {}, None, [], {"channelId": 5, "serviceUrl": {}}])
async def test_without_a_token_nobody_gets_in_whatever_the_body(header, body):
    bot = Authenticator(make_settings(MicrosoftAppId=APP_ID, BOT_ALLOW_ANONYMOUS="true"))
    with pytest.raises(AuthenticationError):
        await bot.authenticate(header, body)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"serviceUrl": None}, "serviceUrl"), ({"channelId": ""}, "channelId"), ({"channelId": 5}, "channelId")],
)
async def test_what_a_token_is_held_against_must_be_there(change, field):
    async with Metadata() as metadata:
        with pytest.raises(RequestError, match=field):
            await authenticator(metadata).authenticate(metadata.token(URL), {**BODY, **change})


async def test_a_key_vouches_for_its_channels_only():
    async with Metadata(endorsements=["msteams"]) as metadata:
        bot = authenticator(metadata)
        with pytest.raises(AuthorizationError, match="not endorsed"):
            await bot.authenticate(metadata.token(URL), BODY)
        await bot.authenticate(metadata.token(URL), {**BODY, "channelId": "msteams"})


async def test_another_issuer_by_setting():
    async with Metadata() as metadata:
        bot = authenticator(metadata, BOT_TOKEN_ISSUER="http://local-issuer")
        await bot.authenticate(metadata.token(URL, iss="http://local-issuer"), BODY)
        with pytest.raises(AuthenticationError):
            await bot.authenticate(metadata.token(URL), BODY)


async def test_a_new_key_is_fetched_but_not_for_every_forgery():
    async with Metadata() as metadata:
        clock = Clock()
        keys = OpenIdKeys(metadata.metadata_url, clock=clock)
        await keys.get("key-1")
        metadata.add_key("key-2")
        for kid in ("key-2", "forged", None, 5, ["x"]):
            with pytest.raises(AuthenticationError):
                await keys.get(kid)
        assert len(metadata.requests) == 2
        clock.now += REFETCH_SECONDS
        assert (await keys.get("key-2")).endorsements == ["directline", "msteams"]
        with pytest.raises(AuthenticationError):
            await keys.get("forged")
        assert len(metadata.requests) == 4


async def test_keys_are_renewed_after_a_day_and_serve_on_while_that_fails():
    async with Metadata() as metadata:
        clock = Clock()
        keys = OpenIdKeys(metadata.metadata_url, clock=clock)
        await asyncio.gather(*(keys.get("key-1") for _ in range(10)))
        assert len(metadata.requests) == 2
        metadata.broken = True
        clock.now += LIFETIME_SECONDS + 1
        for _ in range(5):
            await keys.get("key-1")
        assert len(metadata.requests) == 3
        metadata.broken = False
        del metadata.keys["key-1"]
        metadata.add_key("key-2")
        clock.now += PAUSE_SECONDS
        with pytest.raises(AuthenticationError):
            await keys.get("key-1")
        await keys.get("key-2")


async def test_without_any_key_the_caller_may_come_again():
    async with Metadata() as metadata:
        metadata.broken = True
        bot = authenticator(metadata)
        for _ in range(3):
            with pytest.raises(RetryableError, match=metadata.url) as raised:
                await bot.authenticate(metadata.token(URL), BODY)
            assert raised.value.status == 503
        assert len(metadata.requests) == 1


@pytest.mark.parametrize(
    "broken", [b"<html>", b"{}", b'{"jwks_uri":5}', b'{"jwks_uri":"not a url"}', b'{"jwks_uri":"ftp://x/"}']
)
async def test_metadata_that_is_none(broken):
    from tests.unit.app.stand_ins import Connector

    async with Connector() as server:
        server.then(200, broken)
        with pytest.raises(RetryableError):
            await OpenIdKeys(server.url).get("key-1")


@pytest.mark.parametrize(
    "key", [{"kid": "k", "kty": "RSA", "n": "!", "e": "AQAB"}, {"kid": "k", "kty": "RSA"}, {"kid": 5}]
)
async def test_keys_that_are_none(key):
    from tests.unit.app.stand_ins import Connector

    async with Connector() as server:
        server.then(200, {"jwks_uri": f"{server.url}/keys"}).then(200, {"keys": [key]})
        with pytest.raises(RetryableError):
            await OpenIdKeys(server.url).get("k")


async def test_anonymous_only_where_allowed():
    identity = await Authenticator(make_settings(BOT_ALLOW_ANONYMOUS="true")).authenticate("", BODY)
    assert identity.is_authenticated
    for environ in ({}, {"BOT_ALLOW_ANONYMOUS": "false"}, {"BOT_ALLOW_ANONYMOUS": "true", "WEBSITE_INSTANCE_ID": "1"}):
        with pytest.raises(ConfigurationError, match=r"MicrosoftAppId.*BOT_ALLOW_ANONYMOUS"):
            await Authenticator(make_settings(**environ)).authenticate("", BODY)
    for header in ("Bearer garbage", "x"):
        with pytest.raises(AuthenticationError):
            await Authenticator(make_settings(BOT_ALLOW_ANONYMOUS="true")).authenticate(header, BODY)
    await close_session()
