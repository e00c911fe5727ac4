"""Who posts to the bot: the channel service proves itself with a signed token, or nobody may.

botframework-connector checks signature, issuer, lifetime and endorsements; what it leaves open is closed here:
a token without an end, an activity without service URL or channel, and every way a bad token makes it fail.
"""

from __future__ import annotations

from typing import Any

import jwt
from botframework.connector.auth import AuthenticationConstants, ClaimsIdentity, JwtTokenExtractor, VerifyOptions

from ringback.bot.openid import OpenIdKeys
from ringback.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    RequestError,
    RingbackError,
)
from ringback.settings import Settings

CLOCK_TOLERANCE_SECONDS = 5 * 60
ALGORITHMS = ["RS256"]
# The extractor says no more than this when a key does not vouch for a channel.
NOT_ENDORSED = "Could not validate endorsement key"


class Authenticator:
    """Checks the Authorization header of one bot's channel traffic."""

    def __init__(self, settings: Settings, keys: OpenIdKeys | None = None) -> None:
        self._bot = settings.bot
        self._in_azure = settings.in_azure
        url = settings.bot.openid_metadata_url
        JwtTokenExtractor.metadataCache[url] = keys or OpenIdKeys(url)
        options = VerifyOptions(
            issuer=[settings.bot.token_issuer],
            audience=None,
            clock_tolerance=CLOCK_TOLERANCE_SECONDS,
            ignore_expiration=False,
        )
        self._extractor = JwtTokenExtractor(options, url, ALGORITHMS)

    async def authenticate(self, auth_header: str | None, body: Any) -> ClaimsIdentity:
        """The caller of this activity (decoded JSON).

        AuthenticationError or AuthorizationError for a bad token, ConfigurationError where nobody can be known,
        RetryableError while the service's keys cannot be fetched, RequestError for what a token must be held against.
        """
        if not self._bot.app_id:
            return self._anonymous(auth_header)
        if not auth_header:
            raise AuthenticationError("The Authorization header is missing: only the channel service may post here.")
        identity = await self._verified(auth_header, _text(body, "channelId"))
        self._check_claims(identity)
        self._check_service_url(identity, body)
        return identity

    def _anonymous(self, auth_header: str | None) -> ClaimsIdentity:
        if self._in_azure or not self._bot.allow_anonymous:
            fix = "set MicrosoftAppId, or on your own machine BOT_ALLOW_ANONYMOUS=true"
            raise ConfigurationError(f"The bot has no app id, so anyone could pose as its channel: {fix}.")
        if auth_header:
            raise AuthenticationError(
                "A token came, but this bot has no app id to hold it against: set MicrosoftAppId."
            )
        return ClaimsIdentity({}, True, AuthenticationConstants.ANONYMOUS_AUTH_TYPE)  # noqa: FBT003 - the SDK's

    async def _verified(self, auth_header: str, channel_id: str | None) -> ClaimsIdentity:
        try:
            identity = await self._extractor.get_identity_from_auth_header(auth_header, channel_id, [])
        except RingbackError:
            raise
        except jwt.ExpiredSignatureError as error:
            raise AuthenticationError("The token has expired.") from error
        except Exception as error:
            if NOT_ENDORSED in str(error):
                message = f"The token's key is not endorsed for the channel {channel_id!r}."
                raise AuthorizationError(message) from error
            raise AuthenticationError("The token is not one of the channel service's.") from error
        if identity is None or not identity.is_authenticated:
            raise AuthenticationError("The Authorization header holds no token of the channel service.")
        return identity

    def _check_claims(self, identity: ClaimsIdentity) -> None:
        if not isinstance(identity.get_claim_value("exp"), (int, float)):
            raise AuthenticationError("The token has no end.")
        if identity.get_claim_value("iss") != self._bot.token_issuer:
            raise AuthenticationError("The token comes from another issuer.")
        if identity.get_claim_value("aud") != self._bot.app_id:
            raise AuthorizationError("The token is for another bot: its audience is not MicrosoftAppId.")

    def _check_service_url(self, identity: ClaimsIdentity, body: Any) -> None:
        for field in ("serviceUrl", "channelId"):
            if _text(body, field) is None:
                raise RequestError(f"{field} is missing: every activity of a channel carries it.", field=field)
        if identity.get_claim_value(AuthenticationConstants.SERVICE_URL_CLAIM) != _text(body, "serviceUrl"):
            raise AuthorizationError("The token is for another service URL than the activity's.")


def _text(body: Any, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and value else None
