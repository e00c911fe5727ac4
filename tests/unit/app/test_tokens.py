import asyncio
import sys
import types

import pytest

from ringback.channels.http import close_session
from ringback.channels.tokens import Anonymous, CachedTokens, Token, token_source
from ringback.errors import ConfigurationError, RetryableError
from tests.unit.app.stand_ins import APP_ID, TokenEndpoint, make_settings


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def from_endpoint(endpoint):
    return token_source(
        make_settings(MicrosoftAppId=APP_ID, MicrosoftAppPassword="pw", BOT_TOKEN_URL=f"{endpoint.url}/token").bot
    )


async def test_without_an_app_id_there_is_no_token():
    source = token_source(make_settings().bot)
    assert isinstance(source, Anonymous)
    assert await source.token() is None
    assert await source.renewed("x") is None


async def test_client_credentials_are_posted_and_the_token_kept():
    async with TokenEndpoint() as endpoint:
        source = from_endpoint(endpoint)
        assert [await source.token() for _ in range(3)] == ["token-1"] * 3
        assert endpoint.bodies == [
            f"grant_type=client_credentials&client_id={APP_ID}&client_secret=pw"
            "&scope=https%3A%2F%2Fapi.botframework.com%2F.default".encode()
        ]


async def test_any_number_of_callers_make_one_fetch():
    async with TokenEndpoint() as endpoint:
        source = from_endpoint(endpoint)
        assert set(await asyncio.gather(*(source.token() for _ in range(100)))) == {"token-1"}
        assert endpoint.given == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error":"invalid_client"}', ConfigurationError),
        (400, b"", ConfigurationError),
        (200, b"<html>", ConfigurationError),
        (200, b'{"access_token":1}', ConfigurationError),
        (200, b'{"access_token":"x","expires_in":"soon"}', ConfigurationError),
        (302, b"", ConfigurationError),
        (429, b"", RetryableError),
        (503, b"<html>", RetryableError),
    ],
)
async def test_what_the_endpoint_says_becomes_one_of_our_errors(status, body, error):
    async with TokenEndpoint() as endpoint:
        endpoint.refusal = status, body
        with pytest.raises(error):
            await from_endpoint(endpoint).token()


async def test_an_endpoint_that_is_not_there_is_retryable():
    async with TokenEndpoint() as endpoint:
        source = from_endpoint(endpoint)
    with pytest.raises(RetryableError, match="does not answer"):
        await source.token()
    await close_session()


async def test_expires_in_may_be_a_string():
    async with TokenEndpoint(lifetime="60") as endpoint:
        assert await from_endpoint(endpoint).token() == "token-1"


def cached(clock, *answers):
    calls = []

    async def fetch():
        calls.append(clock.now)
        answer = answers[min(len(calls), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return CachedTokens(fetch, clock=clock), calls


async def test_a_token_is_renewed_early():
    clock = Clock()
    source, calls = cached(clock, Token("a", 3600), Token("b", 100), Token("c", 3600))
    assert await source.token() == "a"
    clock.now += 3299
    assert await source.token() == "a"
    clock.now += 2
    assert await source.token() == "b"
    clock.now += 49
    assert await source.token() == "b"
    clock.now += 2
    assert await source.token() == "c"
    assert len(calls) == 3


async def test_a_failed_renewal_leaves_the_token_until_it_ends():
    clock = Clock()
    source, _ = cached(clock, Token("a", 3600), RetryableError("down"))
    assert await source.token() == "a"
    clock.now += 3500
    assert await source.token() == "a"
    clock.now += 101
    with pytest.raises(RetryableError, match="down"):
        await source.token()


async def test_a_refused_token_is_renewed_once_for_all_who_saw_it():
    clock = Clock()
    source, calls = cached(clock, Token("a", 3600), Token("b", 3600))
    assert await source.token() == "a"
    assert await source.renewed("a") == "a", "a token this young is not the reason"
    clock.now += 31
    assert await asyncio.gather(*(source.renewed("a") for _ in range(5))) == ["b"] * 5
    assert len(calls) == 2


async def test_a_refusal_by_the_authority_is_remembered_for_a_while():
    clock = Clock()
    source, calls = cached(clock, ConfigurationError("wrong secret"), Token("a", 3600))
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="wrong secret"):
            await source.token()
    assert len(calls) == 1
    clock.now += 31
    assert await source.token() == "a"


def test_one_source_serves_several_event_loops():
    clock = Clock()
    source, calls = cached(clock, Token("a", 3600))

    async def many():
        return await asyncio.gather(*(source.token() for _ in range(3)))

    assert asyncio.run(many()) == asyncio.run(many()) == ["a"] * 3
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({}, "MicrosoftAppPassword"),
        ({"MicrosoftAppPassword": "x", "MicrosoftAppType": "Odd"}, "MicrosoftAppType"),
        ({"MicrosoftAppPassword": "x", "MicrosoftAppType": "SingleTenant"}, "MicrosoftAppTenantId"),
    ],
)
def test_missing_settings_are_named(environ, word):
    with pytest.raises(ConfigurationError, match=word):
        token_source(make_settings(MicrosoftAppId="x", **environ).bot)


class Credential:
    """In the place of azure-identity's: notes how it was made."""

    made = None
    error = None
    closed = 0

    def __init__(self, *args, **kwargs):
        type(self).made = args, kwargs

    async def get_token(self, *scopes):
        assert scopes == ("https://api.botframework.com/.default",)
        if self.error is not None:
            raise self.error
        return types.SimpleNamespace(token="azure", expires_on=4_000_000_000)

    async def close(self):
        type(self).closed += 1


@pytest.fixture
def credential(monkeypatch):
    import azure.identity.aio

    class Fresh(Credential):
        pass

    monkeypatch.setattr(azure.identity.aio, "ClientSecretCredential", Fresh)
    monkeypatch.setattr(azure.identity.aio, "ManagedIdentityCredential", Fresh)
    return Fresh


@pytest.mark.parametrize(
    ("environ", "made"),
    [
        ({"MicrosoftAppPassword": "pw"}, (("botframework.com", "app", "pw"), {})),
        (
            {"MicrosoftAppPassword": "pw", "MicrosoftAppType": "SingleTenant", "MicrosoftAppTenantId": "tenant"},
            (("tenant", "app", "pw"), {}),
        ),
        ({"MicrosoftAppType": "UserAssignedMSI"}, ((), {"client_id": "app"})),
    ],
)
async def test_azure_identity_gets_the_right_credential(credential, environ, made):
    source = token_source(make_settings(MicrosoftAppId="app", **environ).bot)
    assert await source.token() == "azure"
    assert (credential.made, credential.closed) == (made, 1)


async def test_azure_identity_errors_become_ours(credential):
    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
    from azure.identity import CredentialUnavailableError

    settings = make_settings(MicrosoftAppId="app", MicrosoftAppType="UserAssignedMSI")
    for raised, error, words in [
        (CredentialUnavailableError("no endpoint"), ConfigurationError, "assign the identity"),
        (ClientAuthenticationError("AADSTS7000215"), ConfigurationError, "MicrosoftAppPassword.*AADSTS7000215"),
        (ServiceRequestError("dns"), RetryableError, "dns"),
    ]:
        credential.error = raised
        with pytest.raises(error, match=words):
            await token_source(settings.bot).token()
    assert credential.closed == 3


def test_azure_identity_is_only_loaded_when_needed():
    import subprocess

    program = (
        "import sys, ringback.channels.connector; sys.exit('azure.identity' in sys.modules or 'msal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
