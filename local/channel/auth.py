"""--auth: this channel as the Bot Service's identity: signs its calls to the bot, grants tokens, demands them back."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from local.channel.database import Database
from local.channel.errors import ChannelError, forbidden, unauthorized
from local.channel.wire import json_answer, read_body

ISSUER = "https://api.botframework.com"
SCOPE = "https://api.botframework.com"
ENDORSEMENTS = ["directline", "msteams", "webchat"]
# The Bot Service's tokens last an hour; a cached one is signed anew long before.
BOT_TOKEN_SECONDS = 3600
RENEW_SECONDS = 600
# Two that signed before, the one that signs, and the next one.
KEPT_KEYS = 4
MAX_FORM = 64 * 1024


@dataclass(frozen=True)
class SigningKey:
    id: str
    private: rsa.RSAPrivateKey


class Authority:
    """Keys in the state folder, newest last. The last but one signs.

    The next one is published with it and older ones still are, so that a bot that fetched the keys before a rotation
    knows both: botbuilder fetches them again after an hour at the earliest.
    """

    def __init__(self, database: Database, app_id: str, password: str, url: str) -> None:
        self.app_id = app_id
        self._database = database
        self._password = password
        self._url = url
        self._keys = [_load(text) for text in msgspec.json.decode(database.kept("rsa-keys", b"[]"), type=list[str])]
        self._cached: dict[str, tuple[float, str]] = {}
        while len(self._keys) < 2:
            self._add_key()

    @property
    def settings(self) -> dict[str, str]:
        """What the app needs in its environment to trust this channel."""
        return {
            "MicrosoftAppId": self.app_id,
            "MicrosoftAppPassword": self._password,
            "BOT_OPENID_METADATA_URL": f"{self._url}/v1/.well-known/openidconfiguration",
            "BOT_TOKEN_ISSUER": ISSUER,
            "BOT_TOKEN_URL": f"{self._url}/oauth2/v2.0/token",
        }

    def rotate(self) -> str:
        """Sign with the next key from now on; returns its id."""
        self._add_key()
        self._cached.clear()
        return self._signing.id

    def towards_bot(self, service_url: str) -> str:
        """The Authorization header of a call to the bot, for activities with this serviceUrl."""
        made, header = self._cached.get(service_url, (0.0, ""))
        if time.monotonic() - made > RENEW_SECONDS or not header:
            header = f"Bearer {self._sign({'aud': self.app_id, 'serviceurl': service_url})}"
            self._cached[service_url] = (time.monotonic(), header)
        return header

    def require_bot(self, header: str | None) -> None:
        """401 unless the header holds a token that this authority granted, 403 if to another app."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("Authorization has been denied for this request: send a bearer token.")
        try:
            key = self._public(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token, key, algorithms=["RS256"], audience=SCOPE, issuer=ISSUER, options={"require": ["exp"]}
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise unauthorized(f"Authorization has been denied for this request: {error}.") from None
        if claims.get("appid") != self.app_id:
            raise forbidden("The token was granted to another app.", "Forbidden")

    def grant(self, client: str, password: str) -> str | None:
        """A token for calling the connector, None for wrong credentials."""
        right = hmac.compare_digest(client.encode(), self.app_id.encode())
        if not hmac.compare_digest(password.encode(), self._password.encode()) or not right:
            return None
        return self._sign({"aud": SCOPE, "appid": self.app_id})

    def key_set(self) -> dict[str, Any]:
        return {"keys": [_public_form(key) for key in self._keys]}

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{self._url}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self._url}/oauth2/v2.0/token",
            "jwks_uri": f"{self._url}/v1/.well-known/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }

    @property
    def _signing(self) -> SigningKey:
        return self._keys[-2]

    def _add_key(self) -> None:
        made = SigningKey(secrets.token_hex(8), rsa.generate_private_key(public_exponent=65537, key_size=2048))
        self._keys = [*self._keys, made][-KEPT_KEYS:]
        self._database.keep("rsa-keys", msgspec.json.encode([_dump(key) for key in self._keys]))

    def _public(self, key_id: object) -> rsa.RSAPublicKey:
        for key in self._keys:
            if key.id == key_id:
                return key.private.public_key()
        raise ValueError("its key is not one of this channel's")

    def _sign(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        times = {"iss": ISSUER, "nbf": now - 60, "iat": now, "exp": now + BOT_TOKEN_SECONDS}
        key = self._signing
        headers = {"kid": key.id, "x5t": key.id}
        return jwt.encode({**claims, **times}, key.private, algorithm="RS256", headers=headers)


def _public_form(key: SigningKey) -> dict[str, Any]:
    numbers = RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    base = {"kty": "RSA", "use": "sig", "kid": key.id, "x5t": key.id, "alg": "RS256"}
    return {**base, "n": numbers["n"], "e": numbers["e"], "endorsements": ENDORSEMENTS}


def _dump(key: SigningKey) -> str:
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return f"{key.id}\n{pem.decode()}"


def _load(text: str) -> SigningKey:
    key_id, _, pem = text.partition("\n")
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return SigningKey(key_id, private)


def routes(authority: Authority, faulty: Callable[[str, Any], Any]) -> list[web.RouteDef]:
    """`faulty` makes a handler one that faults of an operation may strike."""

    async def metadata(_: web.Request) -> web.Response:
        return json_answer(authority.metadata())

    async def keys(_: web.Request) -> web.Response:
        return json_answer(authority.key_set())

    async def token(request: web.Request) -> web.Response:
        return await _grant(authority, request)

    return [
        web.get("/v1/.well-known/openidconfiguration", metadata),
        web.get("/.well-known/openid-configuration", metadata),
        web.get("/v1/.well-known/keys", keys),
        web.post("/oauth2/v2.0/token", faulty("login", token)),
        web.post("/{tenant}/oauth2/v2.0/token", faulty("login", token)),
    ]


async def _grant(authority: Authority, request: web.Request) -> web.Response:
    """OAuth 2 client credentials, RFC 6749 sections 4.4 and 5.2."""
    try:
        body = await read_body(request, MAX_FORM, "The token request")
    except ChannelError as error:
        return _refuse("invalid_request", error.message, error.status)
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    client, password = form.get("client_id", ""), form.get("client_secret", "")
    if request.headers.get("Authorization", "").lower().startswith("basic "):
        client, password = _basic(request.headers["Authorization"])
    if form.get("grant_type") != "client_credentials":
        return _refuse("unsupported_grant_type", "grant_type must be client_credentials")
    if not form.get("scope", "").startswith(SCOPE):
        return _refuse("invalid_scope", f"scope must be {SCOPE}/.default")
    granted = authority.grant(client, password)
    if granted is None:
        return _refuse("invalid_client", "client_id or client_secret is not the one given to --auth", 401)
    data = {"token_type": "Bearer", "expires_in": BOT_TOKEN_SECONDS - 1, "access_token": granted}
    return json_answer(data)


def _refuse(error: str, description: str, status: int = 400) -> web.Response:
    return json_answer({"error": error, "error_description": description}, status)


def _basic(header: str) -> tuple[str, str]:
    try:
        client, _, password = base64.b64decode(header.split(" ", 1)[1]).decode().partition(":")
    except (ValueError, UnicodeDecodeError):
        return "", ""
    return client, password
