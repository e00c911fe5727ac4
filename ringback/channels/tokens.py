"""The bearer tokens that the bot shows to channels: fetched once, kept for the process, refreshed early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import aiohttp
import msgspec

from ringback.channels.http import PerLoop, session
from ringback.errors import ConfigurationError, RetryableError
from ringback.settings import BotSettings

SCOPE = "https://api.botframework.com/.default"
MULTI_TENANT = "botframework.com"
# A token is renewed this long before it ends, or after half of a shorter life.
EARLY_SECONDS = 300.0
# A channel that refuses every token, or an authority that refuses us, is not asked more often than this.
PATIENCE_SECONDS = 30.0
ADVICE = "check MicrosoftAppId, MicrosoftAppPassword, MicrosoftAppType and MicrosoftAppTenantId"


class Token(NamedTuple):
    value: str
    lifetime: float  # seconds from now


class TokenSource(Protocol):
    """Where senders get their token."""

    async def token(self) -> str | None:
        """A valid token, None for no Authorization header; ConfigurationError or RetryableError if there is none."""

    async def renewed(self, refused: str) -> str | None:
        """A token newer than the one that a channel refused, or the same if that was new already."""


class Anonymous:
    """No app id: on one machine nobody asks for a token."""

    async def token(self) -> str | None:
        return None

    async def renewed(self, refused: str) -> str | None:  # noqa: ARG002 - the port's
        return None


class CachedTokens:
    """Keeps what `fetch` brings; any number of callers make one fetch."""

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._locks: PerLoop[asyncio.Lock] = PerLoop(asyncio.Lock)
        self._value = ""
        self._fetched = self._renew_at = self._ends_at = float("-inf")
        self._refusal: ConfigurationError | None = None
        self._refused_at = float("-inf")

    async def token(self) -> str | None:
        if self._clock() < self._renew_at:
            return self._value
        async with self._locks.get():
            if self._clock() >= self._renew_at:
                await self._renew()
            return self._value

    async def renewed(self, refused: str) -> str | None:
        async with self._locks.get():
            if self._value == refused and self._clock() - self._fetched >= PATIENCE_SECONDS:
                self._ends_at = float("-inf")
                await self._renew()
            return self._value

    async def _renew(self) -> None:
        if self._refusal is not None and self._clock() - self._refused_at < PATIENCE_SECONDS:
            raise ConfigurationError(str(self._refusal))
        try:
            token = await self._fetch()
        except ConfigurationError as error:
            self._refusal, self._refused_at = error, self._clock()
            raise
        except RetryableError:
            if self._clock() < self._ends_at:
                return
            raise
        now = self._clock()
        self._value, self._fetched, self._refusal = token.value, now, None
        self._ends_at = now + token.lifetime
        self._renew_at = self._ends_at - min(EARLY_SECONDS, token.lifetime / 2)


def token_source(bot: BotSettings) -> TokenSource:
    """The source that the settings ask for."""
    if not bot.app_id:
        return Anonymous()
    if bot.token_url:
        return CachedTokens(lambda: _from_url(bot))
    if bot.app_type == "UserAssignedMSI":
        return CachedTokens(lambda: _from_managed_identity(bot))
    if not bot.app_password:
        raise ConfigurationError("MicrosoftAppId is set without MicrosoftAppPassword: set it, or use UserAssignedMSI.")
    if bot.app_type not in {"MultiTenant", "SingleTenant"}:
        kinds = "MultiTenant, SingleTenant or UserAssignedMSI"
        raise ConfigurationError(f"MicrosoftAppType is {bot.app_type!r}: give {kinds}.")
    if bot.app_type == "SingleTenant" and not bot.app_tenant_id:
        raise ConfigurationError("MicrosoftAppType SingleTenant needs MicrosoftAppTenantId.")
    return CachedTokens(lambda: _from_secret(bot))


async def _from_url(bot: BotSettings) -> Token:
    """OAuth 2 client credentials, RFC 6749 section 4.4."""
    form = {
        "grant_type": "client_credentials",
        "client_id": bot.app_id,
        "client_secret": bot.app_password,
        "scope": SCOPE,
    }
    try:
        async with session().post(bot.token_url, data=form, allow_redirects=False) as response:
            body = await response.read()
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        raise RetryableError(f"The token endpoint {bot.token_url} does not answer: {error!r}.") from error
    return _granted(response.status, body, bot.token_url)


class Grant(msgspec.Struct):
    access_token: str
    expires_in: float | str = 3600.0


def _granted(status: int, body: bytes, url: str) -> Token:
    if status == 429 or status >= 500:
        raise RetryableError(f"The token endpoint {url} answered {status}.")
    if status != 200:
        said = body[:200].decode("utf-8", "replace")
        raise ConfigurationError(f"The token endpoint {url} refuses the bot with {status}: {ADVICE}. It said: {said}")
    try:
        grant = msgspec.json.decode(body, type=Grant)
        return Token(grant.access_token, max(0.0, float(grant.expires_in)))
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigurationError(f"BOT_TOKEN_URL {url} is no token endpoint: {error}.") from error


async def _from_secret(bot: BotSettings) -> Token:
    from azure.identity.aio import ClientSecretCredential  # noqa: PLC0415 - 105 ms that a local bot never needs

    tenant = bot.app_tenant_id if bot.app_type == "SingleTenant" else MULTI_TENANT
    return await _from_azure(ClientSecretCredential(tenant, bot.app_id, bot.app_password))


async def _from_managed_identity(bot: BotSettings) -> Token:
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - as above

    return await _from_azure(ManagedIdentityCredential(client_id=bot.app_id))


class Granted(Protocol):
    """azure-core's AccessToken; `expires_on` in seconds since 1970."""

    @property
    def token(self) -> str: ...

    @property
    def expires_on(self) -> int: ...


class Credential(Protocol):
    """What this needs of azure-identity's credentials."""

    def get_token(self, *scopes: str) -> Awaitable[Granted]: ...

    async def close(self) -> None: ...


async def _from_azure(credential: Credential) -> Token:
    from azure.core.exceptions import (  # noqa: PLC0415 - as above
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
        ServiceResponseError,
    )
    from azure.identity import CredentialUnavailableError  # noqa: PLC0415 - as above

    try:
        granted = await credential.get_token(SCOPE)
    except CredentialUnavailableError as error:
        fix = "assign the identity to this app, or set MicrosoftAppType to SingleTenant with a password"
        raise ConfigurationError(f"There is no managed identity here: {fix}. {error.message}") from error
    except ClientAuthenticationError as error:
        if error.status_code is not None and (error.status_code == 429 or error.status_code >= 500):
            raise RetryableError(f"The authority answered {error.status_code}.") from error
        raise ConfigurationError(f"The authority refuses the bot: {ADVICE}. {error.message}") from error
    except (ServiceRequestError, ServiceResponseError, HttpResponseError) as error:
        raise RetryableError(f"The authority does not answer: {error.message}") from error
    finally:
        await credential.close()
    return Token(granted.token, max(0.0, granted.expires_on - time.time()))
