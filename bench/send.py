"""Messages a second of the connector sender, beside the SDK's continue_conversation and a bare POST of the same bytes.

Run `python -m bench.send [--seconds 3]`: loopback channel in a process of its own, HTTP and TLS, all in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path

import aiohttp
import msgspec
from botbuilder.core import TurnContext
from botbuilder.schema import ChannelAccount, ConversationAccount, ConversationReference

from bench.fake_channel import fake_channel, write_secrets
from bench.sdk import SdkAdapter
from ringback.channels.connector import ConnectorSender
from ringback.channels.http import close_session
from ringback.channels.port import Outcome
from ringback.channels.tokens import Anonymous
from ringback.delivery.reference import Reference
from ringback.settings import read_settings

CONCURRENCIES = (1, 10, 100)
TEXT = "Your export of March is ready: 1,204 orders, 3 of them without an address."
Once = Callable[[], Awaitable[None]]


def reference(url: str) -> Reference:
    return Reference(
        channel_id="directline",
        service_url=url,
        conversation_id="conversation",
        bot_id="bot",
        bot_name="Ringback",
        user_id="user",
        locale="en-US",
        seen_at=datetime.now(timezone.utc),
    )


def ours(url: str) -> Once:
    settings = read_settings({"SIGNING_KEY": "k" * 32, "BOT_ALLOW_ANONYMOUS": "true"})
    sender, there = ConnectorSender(settings, Anonymous()), reference(url)

    async def once() -> None:
        result = await sender.send(there, {"text": TEXT})
        assert result.outcome is Outcome.DELIVERED, result

    return once


def the_sdk(url: str) -> Once:
    adapter = SdkAdapter()
    there = ConversationReference(
        user=ChannelAccount(id="user"),
        bot=ChannelAccount(id="bot", name="Ringback"),
        conversation=ConversationAccount(id="conversation"),
        channel_id="directline",
        service_url=url,
    )

    async def say(context: TurnContext) -> None:
        await context.send_activity(TEXT)

    async def once() -> None:
        await adapter.continue_conversation(there, say, "")

    return once


def bare(url: str, session: aiohttp.ClientSession) -> Once:
    there = reference(url)
    body = msgspec.json.encode(
        {
            "type": "message",
            "from": {"id": there.bot_id, "name": there.bot_name, "role": "bot"},
            "recipient": {"id": there.user_id},
            "text": TEXT,
            "channelId": there.channel_id,
            "serviceUrl": there.service_url,
            "conversation": {"id": there.conversation_id},
            "locale": there.locale,
        }
    )
    target, headers = f"{url}/v3/conversations/conversation/activities", {"Content-Type": "application/json"}

    async def once() -> None:
        async with session.post(target, data=body, headers=headers) as response:
            await response.read()

    return once


async def rate(once: Once, concurrency: int, seconds: float) -> float:
    """How often a second `once` is done by so many at a time, after each has done it once."""
    counts = [0] * concurrency

    async def work(number: int) -> None:
        while time.perf_counter() < end:
            await once()
            counts[number] += 1

    await asyncio.gather(*(once() for _ in range(concurrency)))
    start = time.perf_counter()
    end = start + seconds
    await asyncio.gather(*(work(number) for number in range(concurrency)))
    return sum(counts) / (time.perf_counter() - start)


async def measure(url: str, seconds: float) -> dict[str, list[float]]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
        ways = {
            "SDK continue_conversation": the_sdk(url),
            "Ringback ConnectorSender": ours(url),
            "bare aiohttp POST": bare(url, session),
        }
        # Round by round, so that a busy moment of the machine falls on all.
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for concurrency in CONCURRENCIES:
            for name, once in ways.items():
                rates[name].append(await rate(once, concurrency, seconds))
    await close_session()
    return rates


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="dev.py bench send", description=__doc__)
    made.add_argument("--seconds", type=float, default=3.0, help="how long each figure is measured (3)")
    made.add_argument("--url", help=argparse.SUPPRESS)
    return made


def main() -> None:
    options = parser().parse_args()
    seconds = options.seconds
    if options.url:
        print(json.dumps(asyncio.run(measure(options.url, seconds))))
        return
    print(f"messages a second at concurrency {' / '.join(map(str, CONCURRENCIES))}, {seconds:g} s each")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_secrets(folder)
        for tls in (False, True):
            with fake_channel(folder, tls=tls) as url:
                show("TLS " if tls else "HTTP", run_with_trust(folder / "cert.pem", url, seconds))


def run_with_trust(certificate: Path, url: str, seconds: float) -> dict[str, list[float]]:
    """In a process of its own, since aiohttp reads whom to trust when it is imported."""
    command = [sys.executable, "-m", "bench.send", "--seconds", str(seconds), "--url", url]
    environ = {**os.environ, "SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
    rates: dict[str, list[float]] = json.loads(done.stdout)
    return rates


def show(transport: str, rates: dict[str, list[float]]) -> None:
    peer = rates["SDK continue_conversation"][-1]
    for way, figures in rates.items():
        shown = " / ".join(f"{figure:6.0f}" for figure in figures)
        print(f"{transport}  {way:28}{shown}   {figures[-1] / peer:6.1f} x the SDK at {CONCURRENCIES[-1]}")


if __name__ == "__main__":
    main()
