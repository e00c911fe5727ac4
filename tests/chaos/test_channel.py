"""The local channel, killed in the middle of 200 messages a second: what it acknowledged is there, and there once.

Three kills; with `--chaos=long` thirty.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.contract.channel.bot import Bot
from tests.local_channel import SECRET, Program

KILLS = {"short": 3, "long": 30}
CONVERSATIONS = 20
RATE = 200
UNDER_WAY = 64
# Answers between two kills.
ROUND = 150
HEADERS = {"Authorization": f"Bearer {SECRET}"}
GONE = (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError)
Activity = dict[str, Any]


@dataclass
class Reader:
    """A client with an open stream, which connects again with its watermark whenever it is cut off."""

    session: aiohttp.ClientSession
    url: str
    conversation: str
    watermark: str = "0"
    seen: list[Activity] = field(default_factory=list)

    async def read(self) -> None:
        while True:
            try:
                url = f"{self.url}/conversations/{self.conversation}?watermark={self.watermark}"
                async with self.session.get(url, headers=HEADERS) as answer:
                    stream_url = (await answer.json())["streamUrl"]
                async with self.session.ws_connect(stream_url) as stream:
                    async for message in stream:
                        frame = message.json()
                        self.seen += frame["activities"]
                        self.watermark = frame["watermark"]
            except GONE:
                await asyncio.sleep(0.05)


class Traffic:
    """Messages of users at a steady rate, and the ids that users and bot were given for what they sent."""

    def __init__(self, session: aiohttp.ClientSession, url: str, conversations: list[str], bot: Bot) -> None:
        self.session, self.url, self.conversations, self.bot = session, url, conversations, bot
        self.acknowledged: list[tuple[str, str]] = []
        self.answered = asyncio.Condition()
        bot.on_message = self.answer

    async def answer(self, question: Activity) -> None:
        try:
            status, body = await self.bot.say(question, f"echo {question['text']}")
        except GONE:
            return
        await self.note(status, question["conversation"]["id"], body)

    async def say(self, number: int, room: asyncio.Semaphore) -> None:
        conversation = self.conversations[number % len(self.conversations)]
        body = {"type": "message", "text": f"m{number}", "from": {"id": f"dl_{conversation}"}}
        url = f"{self.url}/conversations/{conversation}/activities"
        async with room:
            try:
                async with self.session.post(url, json=body, headers=HEADERS) as answer:
                    status, told = answer.status, await answer.json()
            except GONE:
                return
            await self.note(status, conversation, told)

    async def note(self, status: int, conversation: str, told: Activity) -> None:
        if status == 200:
            async with self.answered:
                self.acknowledged.append((conversation, told["id"]))
                self.answered.notify_all()

    async def flow(self) -> None:
        room, tasks = asyncio.Semaphore(UNDER_WAY), set()
        try:
            for number in itertools.count():
                await asyncio.sleep(1 / RATE)
                tasks.add(task := asyncio.create_task(self.say(number, room)))
                task.add_done_callback(tasks.discard)
        finally:
            await asyncio.gather(*tasks)

    async def more(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + count
        async with self.answered:
            await asyncio.wait_for(self.answered.wait_for(lambda: len(self.acknowledged) >= wanted), 120)


async def history(program: Program, conversation: str) -> list[Activity]:
    found: list[Activity] = []
    watermark = None
    while True:
        page, watermark = await program.activities(conversation, SECRET, watermark)
        if not page:
            return found
        found += page


async def caught_up(reader: Reader, count: int) -> None:
    """Wait until the client has seen so many; one that never does is told by what it missed."""
    end = asyncio.get_running_loop().time() + 120
    while len(reader.seen) < count and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)


@pytest.mark.timeout(600)
async def test_nothing_acknowledged_is_lost_and_no_client_misses_or_repeats(request, tmp_path):
    bot = Bot()
    await bot.start()
    bot.echoes = False
    program = Program(tmp_path / "state", bot)
    await program.start()
    conversations = [(await program.open(f"dl_user{number}"))[0] for number in range(CONVERSATIONS)]
    url = f"{program.url}/v3/directline"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        readers = [Reader(session, url, conversation) for conversation in conversations]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        traffic = Traffic(session, url, conversations, bot)
        flowing = asyncio.create_task(traffic.flow())
        for _ in range(KILLS[request.config.getoption("--chaos")]):
            await traffic.more(ROUND)
            await program.stop(signal.SIGKILL)
            await program.start()
        await traffic.more(ROUND)
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)
        kept = {conversation: await history(program, conversation) for conversation in conversations}
        await asyncio.gather(*(caught_up(reader, len(kept[reader.conversation])) for reader in readers))
        assert not any(task.done() for task in reading)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    for reader in readers:
        assert reader.seen == kept[reader.conversation]
    ids = {conversation: [activity["id"] for activity in kept[conversation]] for conversation in conversations}
    assert all(len(set(each)) == len(each) for each in ids.values())
    assert not [pair for pair in traffic.acknowledged if pair[1] not in ids[pair[0]]]
    account = (await program.call("GET", "/admin/account", token=None)).body
    assert (account["lost"], account["repeated"]) == (0, 0)
    await program.stop()
    await bot.stop()
