"""The public keys with which the channel service signs, fetched from its OpenID metadata.

Stands where botframework-connector's JwtTokenExtractor looks for its own, whose fetch blocks the event loop
without a timeout and whose search fails on a key that is new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
import msgspec
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from ringback.channels.http import PerLoop, session
from ringback.errors import AuthenticationError, RetryableError

LIFETIME_SECONDS = 24 * 3600.0
# An unknown key id asks again at most this often, so that forged tokens cost no traffic.
REFETCH_SECONDS = 300.0
# After a failed fetch the next one waits this long; keys that are there serve on.
PAUSE_SECONDS = 10.0
TIMEOUT = aiohttp.ClientTimeout(total=5)
UNREADABLE = (aiohttp.ClientError, asyncio.TimeoutError, msgspec.DecodeError, InvalidKeyError, ValueError)


class SigningKey(NamedTuple):
    """What the extractor wants of a key."""

    public_key: Any
    endorsements: list[str]


class Discovery(msgspec.Struct):
    jwks_uri: str


class JsonWebKey(msgspec.Struct):
    kid: str = ""
    kty: str = ""
    n: str = ""
    e: str = ""
    endorsements: list[str] = []


class KeySet(msgspec.Struct):
    keys: list[JsonWebKey]


class OpenIdKeys:
    """The keys behind one metadata URL."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._locks: PerLoop[asyncio.Lock] = PerLoop(asyncio.Lock)
        self._keys: dict[str, SigningKey] = {}
        self._fetched = self._tried = float("-inf")
        self._failure = "it lists none"

    async def get(self, key_id: str | None) -> SigningKey:
        """The key of this id; AuthenticationError if there is none, RetryableError if no key could be fetched."""
        if not isinstance(key_id, str) or not self._known(key_id):
            async with self._locks.get():
                if not isinstance(key_id, str) or not self._known(key_id):
                    await self._refresh()
        found = self._keys.get(key_id) if isinstance(key_id, str) else None
        if found is None:
            raise AuthenticationError("The token is signed with a key that the channel service does not publish.")
        return found

    def _known(self, key_id: str) -> bool:
        return key_id in self._keys and self._clock() - self._fetched < LIFETIME_SECONDS

    async def _refresh(self) -> None:
        now = self._clock()
        fresh = now - self._fetched < LIFETIME_SECONDS
        if now - self._tried >= (REFETCH_SECONDS if fresh else PAUSE_SECONDS):
            self._tried = now
            try:
                self._keys = await self._fetch()
                self._fetched = now
            except UNREADABLE as error:
                self._failure = repr(error)
        if not self._keys:
            raise RetryableError(f"The channel service's keys cannot be had from {self._url}: {self._failure}.")

    async def _fetch(self) -> dict[str, SigningKey]:
        discovery = msgspec.json.decode(await self._download(self._url), type=Discovery)
        keys = msgspec.json.decode(await self._download(discovery.jwks_uri), type=KeySet).keys
        return {key.kid: _signing_key(key) for key in keys if key.kid and key.kty == "RSA"}

    async def _download(self, url: str) -> bytes:
        async with session().get(url, timeout=TIMEOUT, raise_for_status=True) as response:
            return await response.read()


def _signing_key(key: JsonWebKey) -> SigningKey:
    return SigningKey(RSAAlgorithm.from_jwk({"kty": key.kty, "n": key.n, "e": key.e}), key.endorsements)
