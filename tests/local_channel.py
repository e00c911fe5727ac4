"""The channel for tests: in this process or as a program, calls to it, and the fixtures that start it with a bot."""

import asyncio
import io
import json
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from local.channel.context import Options
from local.channel.http_protocol import Runner
from local.channel.server import build
from tests.contract.channel.bot import Bot

ROOT = Path(__file__).parents[1]
SECRET = "the-secret"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self):
        return self.body["error"]["code"]


class Client:
    """A running channel and calls to it; `restart` is a kill and a new start on the same state."""

    def __init__(self, state, bot, **options):
        self.state = state
        self.bot = bot
        self.options = options
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.runner = None
        self.session = None

    async def start(self):
        options = Options(bot=self.bot.url, public_url=self.url, state=self.state, secret=SECRET, **self.options)
        self.runner = Runner(build(options), access_log=None, shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.session = aiohttp.ClientSession()

    async def stop(self):
        await self.session.close()
        await self.runner.cleanup()

    async def restart(self):
        await self.stop()
        await self.start()

    async def call(self, method, path, body=None, *, token=SECRET, headers=None, **more):
        url = path if path.startswith("http") else self.url + path
        sent = dict(headers or {})
        if token:
            sent.setdefault("Authorization", f"Bearer {token}")
        if body is not None:
            sent["Content-Type"] = "application/json"
            more["data"] = json.dumps(body).encode()
        if isinstance(more.get("data"), bytes) and len(more["data"]) > 1 << 20:
            more["data"] = io.BytesIO(more["data"])
        async with self.session.request(method, url, headers=sent, **more) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Answer(answer.status, answer.headers, await answer.json() if is_json else raw)

    async def dl(self, method, path, body=None, **more):
        return await self.call(method, f"/v3/directline{path}", body, **more)

    async def open(self, user="dl_ann", **more):
        """A started conversation: (id, token, the answer)."""
        answer = await self.dl("POST", "/conversations", {"user": {"id": user}, **more} if user else more or None)
        assert answer.status == 201, answer.body
        return answer.body["conversationId"], answer.body["token"], answer.body

    async def say(self, conversation, token, text, **more):
        body = {"type": "message", "text": text, "from": {"id": "dl_ann"}, **more}
        return await self.dl("POST", f"/conversations/{conversation}/activities", body, token=token)

    async def activities(self, conversation, token, watermark=None):
        query = "" if watermark is None else f"?watermark={watermark}"
        answer = await self.dl("GET", f"/conversations/{conversation}/activities{query}", token=token)
        assert answer.status == 200, answer.body
        return answer.body["activities"], answer.body["watermark"]

    async def texts(self, conversation, token, watermark=None):
        return [activity.get("text") for activity in (await self.activities(conversation, token, watermark))[0]]

    async def fault(self, **rule):
        """Set a rule; returns it as it is listed."""
        answer = await self.call("POST", "/admin/faults", rule, token=None)
        assert answer.status == 201, answer.body
        return answer.body

    async def fault_once(self, **rule):
        return await self.fault(times=1, **rule)

    async def account(self, query=""):
        answer = await self.call("GET", f"/admin/account{query}", token=None)
        assert answer.status == 200, answer.body
        return answer.body

    async def frames(self, url, count, seconds=60.0):
        """The first `count` activities of a stream, with its last watermark."""
        activities, watermark = [], None
        async with self.session.ws_connect(url) as stream:
            while len(activities) < count:
                frame = await asyncio.wait_for(stream.receive_json(), seconds)
                activities += frame["activities"]
                watermark = frame["watermark"]
        return activities, watermark


async def ended(process):
    """The exit status of a program and what it wrote to stderr; it does not outlive the wait."""
    try:
        _, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, err.decode()


class Program(Client):
    """The same calls, to `python -m local.channel` as a process of its own."""

    process = None
    arguments = ()

    async def start(self):
        command = [sys.executable, "-m", "local.channel", "--bot", self.bot.url, "--port", str(self.port)]
        command += ["--state", str(self.state), "--secret", SECRET, *self.arguments]
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line.startswith(b"channel ready: " + self.url.encode()), line
        self.session = aiohttp.ClientSession()

    async def stop(self, how=signal.SIGKILL):
        await self.session.close()
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self.process.communicate()
        return self.process.returncode


@pytest.fixture
async def bot():
    made = Bot()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def channel(tmp_path, bot):
    client = Client(tmp_path / "state", bot)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def program(tmp_path, bot):
    made = Program(tmp_path / "state", bot)
    await made.start()
    yield made
    await made.stop()
