"""Direct Line's secret and its tokens: JWTs that reach one conversation, signed with a key kept in the state folder."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from typing import Any

import jwt

from local.channel.errors import forbidden, unauthorized

TOKEN_SECONDS = 1800
STREAM_SECONDS = 60
ISSUER = "https://directline.local/"


@dataclass(frozen=True)
class Access:
    """What a caller may reach: every conversation (a secret) or one, as one user (a token)."""

    conversation: str = ""
    user: str = ""
    user_name: str = ""
    channel_id: str = ""
    origins: tuple[str, ...] = ()

    @property
    def is_secret(self) -> bool:
        return not self.conversation

    def check(self, conversation: str) -> None:
        if not self.is_secret and conversation != self.conversation:
            raise forbidden("This token is for another conversation.")


class Tokens:
    def __init__(self, key: bytes, secret: str) -> None:
        self._key = key
        self._secret = secret.encode()

    def mint(self, access: Access) -> str:
        """A token of 30 minutes; its `user` claim is what clients read."""
        claims: dict[str, Any] = {"conv": access.conversation, "channel": access.channel_id}
        if access.user:
            claims["user"] = access.user
        if access.user_name:
            claims["name"] = access.user_name
        if access.origins:
            claims["origins"] = list(access.origins)
        return self._sign(claims, "token", TOKEN_SECONDS)

    def mint_stream(self, conversation: str) -> str:
        return self._sign({"conv": conversation}, "stream", STREAM_SECONDS)

    def check_stream(self, token: str, conversation: str) -> None:
        if self._verify(token, "stream").get("conv") != conversation:
            raise forbidden("This stream URL is for another conversation.")

    def authorize(self, header: str | None, origin: str | None = None) -> Access:
        """Who is calling: 401 for a missing or malformed header, 403 for a wrong or expired one."""
        scheme, _, credential = (header or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not credential.strip() or " " in credential.strip():
            raise unauthorized("Send `Authorization: Bearer <Direct Line secret or token>`.")
        credential = credential.strip()
        # Bytes of a header that are not UTF-8 arrive as surrogates.
        if hmac.compare_digest(credential.encode("utf-8", "surrogateescape"), self._secret):
            return Access()
        access = _access(self._verify(credential, "token"))
        if origin and access.origins and origin.rstrip("/") not in access.origins:
            raise forbidden(f"This token's trustedOrigins do not hold {origin!r}.")
        return access

    def _sign(self, claims: dict[str, Any], audience: str, seconds: int) -> str:
        issued = int(time.time())
        times = {"iss": ISSUER, "aud": audience, "nbf": issued, "iat": issued, "exp": issued + seconds}
        return jwt.encode({**claims, **times}, self._key, algorithm="HS256")

    def _verify(self, token: str, audience: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=audience, issuer=ISSUER,
                options={"require": ["exp", "conv"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise forbidden("The token has expired: generate a new one.", "TokenExpired") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise forbidden(f"This is neither the channel's Direct Line secret nor a token of it ({error}).") from None
        return dict(claims)


def _access(claims: dict[str, Any]) -> Access:
    return Access(
        conversation=claims["conv"],
        user=claims.get("user", ""),
        user_name=claims.get("name", ""),
        channel_id=claims.get("channel", ""),
        origins=tuple(claims.get("origins", ())),
    )
