"""Servers that speak the channel service's side: a connector, a token endpoint, OpenID metadata with a key of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ringback.channels.http import close_session
from ringback.settings import Settings, read_settings

APP_ID = "11111111-2222-3333-4444-555555555555"
ISSUER = "https://api.botframework.com"
Answer = Callable[[web.Request], Any]


def make_settings(**environ: str) -> Settings:
    return read_settings({"SIGNING_KEY": "k" * 40, **environ})


class Server:
    """A web server on a free loopback port that notes its requests; leaving it closes our session too."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []

    async def __aenter__(self) -> Any:
        app = web.Application(client_max_size=10**7)
        app.router.add_route("*", "/{path:.*}", self._note)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_session()
        await self._runner.cleanup()

    async def _note(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.requests.append(request)
        self.bodies.append(msgspec.json.decode(raw) if raw.startswith(b"{") else raw)
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


class Connector(Server):
    """Answers what was told with `then`, in that order; the last one stays. Otherwise 201 with a new id."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []

    def then(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> Connector:
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        self.answers.append(lambda _: web.Response(status=status, body=raw, headers=headers))
        return self

    def then_drop(self) -> Connector:
        def drop(request: web.Request) -> web.Response:
            request.transport.abort()
            return web.Response()

        self.answers.append(drop)
        return self

    def then_hang(self, seconds: float) -> Connector:
        async def hang(_: web.Request) -> web.Response:
            await asyncio.sleep(seconds)
            return web.Response(status=200)

        self.answers.append(hang)
        return self

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not self.answers:
            return web.json_response({"id": f"sent|{len(self.requests):07}"}, status=201)
        found = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)
        return await found if asyncio.iscoroutine(found) else found


class TokenEndpoint(Server):
    """Gives out token-1, token-2, …; `refusal` is answered instead when set."""

    def __init__(self, lifetime: float = 3600) -> None:
        super().__init__()
        self.lifetime = lifetime
        self.refusal: tuple[int, bytes] | None = None
        self.given = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        if self.refusal is not None:
            return web.Response(status=self.refusal[0], body=self.refusal[1])
        self.given += 1
        return web.json_response({"access_token": f"token-{self.given}", "expires_in": self.lifetime})


class Metadata(Server):
    """OpenID metadata and keys as login.botframework.com publishes them, and the tokens signed with them."""

    def __init__(self, endorsements: list[str] | None = None) -> None:
        super().__init__()
        self.endorsements = ["directline", "msteams"] if endorsements is None else endorsements
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.broken = False
        self.add_key("key-1")

    def add_key(self, kid: str) -> None:
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/openid"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.broken:
            return web.Response(status=503)
        if request.path == "/openid":
            return web.json_response({"issuer": ISSUER, "jwks_uri": f"{self.url}/keys"})
        keys = [self._published(kid, key) for kid, key in self.keys.items()]
        return web.json_response({"keys": [{"kid": "ec", "kty": "EC", "crv": "P-256", "x": "", "y": ""}, *keys]})

    def _published(self, kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {**public, "kid": kid, "use": "sig", "endorsements": self.endorsements}

    def token(self, service_url: str, *, kid: str = "key-1", key: Any = None, **claims: Any) -> str:
        """An Authorization header; a claim given as None is left out."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": APP_ID,
            "nbf": now - 60,
            "exp": now + 3600,
            "serviceurl": service_url,
            **claims,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        signed = jwt.encode(payload, key or self.keys[kid], algorithm="RS256", headers={"kid": kid})
        return f"Bearer {signed}"
