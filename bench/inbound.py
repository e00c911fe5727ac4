"""Turns a second of the bot door's path, beside the SDK's documented one: body in, reply out.

Run `python -m bench.inbound [--seconds 3]`: one turn at a time, the channel in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
from botbuilder.core import TurnContext
from botbuilder.schema import Activity
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bench.fake_channel import fake_channel, write_secrets
from bench.sdk import ISSUER, SdkAdapter
from bench.send import rate
from ringback.bot.adapter import RingbackAdapter, reply
from ringback.bot.inbound import decode_body
from ringback.channels.connector import ConnectorSender
from ringback.channels.http import close_session
from ringback.channels.tokens import Anonymous
from ringback.settings import read_settings

APP_ID = "11111111-2222-3333-4444-555555555555"
Turn = Callable[[TurnContext], Awaitable[Any]]
Once = Callable[[], Awaitable[None]]


def message(url: str) -> bytes:
    body = {
        "type": "message",
        "id": "1485983408511",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "localTimestamp": "2026-03-01T13:00:00.000+01:00",
        "channelId": "msteams",
        "serviceUrl": url,
        "from": {"id": "29:user", "name": "Ann", "aadObjectId": "d4f5a1b2-0000-0000-0000-000000000000"},
        "conversation": {"conversationType": "personal", "tenantId": "tenant", "id": "a:conversation"},
        "recipient": {"id": "28:bot", "name": "Ringback"},
        "entities": [{"locale": "en-US", "country": "US", "platform": "Web", "type": "clientInfo"}],
        "channelData": {"tenant": {"id": "tenant"}},
        "textFormat": "plain",
        "locale": "en-US",
        "text": "how far is it?",
    }
    return json.dumps(body).encode()


async def silent(_: TurnContext) -> None:
    """A turn that says nothing."""


async def say(context: TurnContext) -> None:
    await context.send_activity("40 %, parsing rows")


async def say_ours(context: TurnContext) -> None:
    await reply(context, {"text": "40 %, parsing rows"})


def ours(url: str, header: str, turn: Turn) -> Once:
    environ = {"SIGNING_KEY": "k" * 32, "BOT_ALLOW_ANONYMOUS": "true"}
    if header:
        environ |= {"MicrosoftAppId": APP_ID, "BOT_OPENID_METADATA_URL": f"{url}/ours"}
    settings = read_settings(environ)
    # With an app id too, replies carry no token: the SDK would ask Microsoft for one.
    adapter = RingbackAdapter(settings, ConnectorSender(settings, Anonymous()))
    raw = message(url)

    async def once() -> None:
        await adapter.process(header, decode_body(raw), turn)

    return once


def the_sdk(url: str, header: str, turn: Turn) -> Once:
    adapter = SdkAdapter(APP_ID if header else "", f"{url}/sdk")
    raw = message(url)

    async def once() -> None:
        await adapter.process_activity(header, Activity.deserialize(json.loads(raw)), turn)

    return once


def signed(url: str, key: RSAPrivateKey) -> str:
    claims = {"iss": ISSUER, "aud": APP_ID, "exp": int(time.time()) + 3600, "serviceurl": url}
    return f"Bearer {jwt.encode(claims, key, algorithm='RS256', headers={'kid': 'bench'})}"


async def measure(url: str, header: str, seconds: float) -> None:
    cases = {
        "anonymous, no reply": ("", silent, silent),
        "anonymous, one reply": ("", say, say_ours),
        "signed token, no reply": (header, silent, silent),
    }
    print(f"{'turns a second':26}{'SDK as documented':>20}{'Ringback':>12}")
    for name, (sent, sdk_turn, our_turn) in cases.items():
        sdk = await rate(the_sdk(url, sent, sdk_turn), 1, seconds)
        our = await rate(ours(url, sent, our_turn), 1, seconds)
        print(f"{name:26}{sdk:20.0f}{our:12.0f}   {our / sdk:5.1f} x")
    await close_session()


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench inbound", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each figure is measured (3)")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        key = write_secrets(Path(name))
        with fake_channel(Path(name), tls=False) as url:
            asyncio.run(measure(url, signed(url, key), seconds))


if __name__ == "__main__":
    main()
