"""The local channel under load: conversations with a WebSocket each, messages through a bot and back, memory.

Run `python -m bench.channel [--conversations 500] [--rate 200] [--seconds 60]`; ten minutes are `--seconds 600`.
The peer is offline-directline from npm, which polls and keeps everything in memory: both are measured by polling.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".local" / "npm" / "node_modules" / "offline-directline" / "dist" / "cmdutil.js"
SECRET = "bench-secret"
SAMPLE_SECONDS = 5.0
WARM_SECONDS = 30.0
# On a machine that is busy with other things, what is late is not yet lost.
GRACE_SECONDS = 90.0
BOT_CONNECTIONS = 100
POLLERS = 10
POLL_SECONDS = 5.0


async def echo_bot(port: int) -> None:
    """Answers every message through the connector before its turn ends."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=BOT_CONNECTIONS))

    async def messages(request: web.Request) -> web.Response:
        activity = await request.json()
        if activity["type"] == "message":
            base, conversation = activity["serviceUrl"].rstrip("/"), activity["conversation"]["id"]
            reply = {"type": "message", "text": f"echo {activity['text']}", "from": activity.get("recipient")}
            url = f"{base}/v3/conversations/{conversation}/activities"
            async with session.post(url, json=reply) as answer:
                await answer.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/messages", messages)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


class Load:
    """Clients of a channel: every message carries a number, so a lost or doubled answer is seen."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.headers = {"Authorization": f"Bearer {SECRET}"}
        self.sent: dict[str, float] = {}
        self.latencies: list[float] = []
        self.answers: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.strangers = 0

    async def start(self) -> dict[str, Any]:
        async with self.session.post(f"{self.base}/conversations", headers=self.headers) as answer:
            return dict(await answer.json())

    async def listen(self, started: dict[str, Any], ready: asyncio.Event) -> None:
        async with self.session.ws_connect(started["streamUrl"], max_msg_size=0) as stream:
            ready.set()
            async for message in stream:
                if message.type is aiohttp.WSMsgType.TEXT and message.data:
                    for activity in msgspec.json.decode(message.data)["activities"]:
                        self.saw(activity.get("text", ""))

    def saw(self, text: str) -> None:
        if text.startswith("echo "):
            name = text[5:]
            if name not in self.sent:
                self.strangers += 1
                return
            self.answers[name] = self.answers.get(name, 0) + 1
            if self.answers[name] == 1:
                self.latencies.append(time.perf_counter() - self.sent[name])

    async def say(self, conversation: str, name: str) -> None:
        body = {"type": "message", "text": name, "from": {"id": f"dl_{conversation}"}}
        self.sent[name] = time.perf_counter()
        url = f"{self.base}/conversations/{conversation}/activities"
        try:
            async with self.session.post(url, json=body, headers=self.headers) as answer:
                await answer.read()
                outcome = "" if answer.status < 300 else str(answer.status)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            outcome = type(error).__name__
        if outcome:
            self.failures[outcome] = self.failures.get(outcome, 0) + 1


async def streaming(port: int, pid: int, arguments: argparse.Namespace) -> bool:
    """An open loop at `rate` messages a second over all conversations; prints the figures, tells if all is well."""
    # A socket and one request under way for each conversation, as their clients would have.
    connector = aiohttp.TCPConnector(limit=2 * arguments.conversations)
    async with aiohttp.ClientSession(connector=connector) as session:
        load = Load(f"http://127.0.0.1:{port}/v3/directline", session)
        conversations, listeners = await _open(load, arguments.conversations)
        memory = [resident(pid)]
        sampler = asyncio.create_task(_sample(pid, memory))
        began, worked = time.perf_counter(), processor(pid)
        waiting = await _send(load, conversations, arguments.rate, arguments.seconds)
        spent = time.perf_counter() - began
        busy = (processor(pid) - worked) / spent
        late = time.perf_counter()
        await _drain(load, waiting)
        late = time.perf_counter() - late
        cut = sum(task.done() for task in listeners)
        async with session.get(f"http://127.0.0.1:{port}/admin/account") as answer:
            account = await answer.json()
        for task in (sampler, *listeners):
            task.cancel()
        await asyncio.gather(sampler, *listeners, return_exceptions=True)
    well = report(load, memory, spent, arguments)
    print(f"  the last answer came {late:.1f} s after the last message was sent")
    print(f"  the channel used {100 * busy:.0f} % of a processor, the machine's load is {os.getloadavg()[0]:.1f}")
    return tell_account(load, account, cut) and well


async def _open(load: Load, count: int) -> tuple[list[str], list[asyncio.Task[None]]]:
    began = time.perf_counter()
    conversations: list[str] = []
    listeners = []
    for _ in range(count):
        started, ready = await load.start(), asyncio.Event()
        listener = asyncio.create_task(load.listen(started, ready))
        opening = asyncio.create_task(ready.wait())
        await asyncio.wait((listener, opening), return_when=asyncio.FIRST_COMPLETED)
        if listener.done():
            opening.cancel()
            await listener
            raise SystemExit("a stream ended as soon as it was open")
        listeners.append(listener)
        conversations.append(started["conversationId"])
    print(f"{count} conversations with a WebSocket each, opened in {time.perf_counter() - began:.1f} s", flush=True)
    return conversations, listeners


async def _send(load: Load, conversations: list[str], rate: float, seconds: float) -> set[asyncio.Task[None]]:
    """Send at the rate, however slow the answers come; returns the requests under way."""
    tasks: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        wait = began + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(load.say(conversations[number % len(conversations)], f"m{number}"))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return tasks


async def _drain(load: Load, waiting: set[asyncio.Task[None]]) -> None:
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=GRACE_SECONDS)
        # Closing the session would end them as if the channel had hung up.
        for task in late:
            task.cancel()
    end = time.perf_counter() + GRACE_SECONDS
    while len(load.answers) < len(load.sent) and time.perf_counter() < end:  # noqa: ASYNC110  once, at the end
        await asyncio.sleep(0.05)


async def _sample(pid: int, memory: list[float]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        memory.append(resident(pid))


def report(load: Load, memory: list[float], spent: float, arguments: argparse.Namespace) -> bool:
    ordered = sorted(load.latencies)
    lost = len(load.sent) - len(load.answers)
    doubled = sum(count - 1 for count in load.answers.values())
    # The first fifth is warm-up: caches of SQLite, the wire log and Python's allocator fill; 30 s are the least for it.
    warm = min(max(len(memory) // 5, int(WARM_SECONDS / SAMPLE_SECONDS)), len(memory) - 1)
    settled, last = memory[warm], memory[-1]
    print(
        f"  messages   {len(load.sent)} in {spent:.1f} s: {len(load.sent) / spent:.0f}/s, asked for {arguments.rate}/s"
    )
    print(f"  lost {lost}, doubled {doubled}, refused {load.failures or 0}")
    if ordered:
        at = [
            f"{name} {1000 * ordered[min(int(len(ordered) * part), len(ordered) - 1)]:.0f} ms" for name, part in PARTS
        ]
        print(f"  from POST to the answer on the socket: {', '.join(at)}")
    print(
        f"  memory of the channel: {settled:.0f} MB after warm-up, {last:.0f} MB at the end (of {len(memory)} samples)"
    )
    print("  MB over time: " + " ".join(f"{each:.0f}" for each in memory[:: max(1, len(memory) // 12)]))
    return not lost and not doubled and not load.failures and last < settled * 1.1 + 5


def tell_account(load: Load, account: dict[str, Any], cut: int) -> bool:
    """What the channel says itself of the same messages; tells if it agrees."""
    told = ", ".join(f"{name} {account[name]}" for name in TOLD)
    print(f"  the channel's account of the bot's sends: {told}")
    print(f"  streams that ended early {cut}, answers to nothing that was asked {load.strangers}")
    agrees = account["delivered"] == len(load.sent) and not (account["undelivered"] or account["duplicated"])
    return agrees and not cut and not load.strangers


TOLD = ("asked", "accepted", "delivered", "repeated", "duplicated", "undelivered")
PARTS = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


async def polling(port: int, path: str) -> float:
    """Round trips a second of clients that send and then poll until they see the answer."""
    async with aiohttp.ClientSession() as session:
        load = Load(f"http://127.0.0.1:{port}{path}", session)
        end = time.perf_counter() + POLL_SECONDS
        counts = await asyncio.gather(*(_poll(load, number, end) for number in range(POLLERS)))
    return sum(counts) / POLL_SECONDS


async def _poll(load: Load, poller: int, end: float) -> int:
    conversation = (await load.start())["conversationId"]
    url = f"{load.base}/conversations/{conversation}/activities"
    watermark, done = "0", 0
    while time.perf_counter() < end:
        name = f"p{poller}-{done}"
        await load.say(conversation, name)
        while name not in load.answers and time.perf_counter() < end:
            async with load.session.get(url, params={"watermark": watermark}, headers=load.headers) as answer:
                page = await answer.json()
            watermark = str(page["watermark"])
            for activity in page["activities"]:
                load.saw(activity.get("text", ""))
        done += 1
    return done


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str]) -> Iterator[int]:
    """A program of its own; its process id."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


@asynccontextmanager
async def answering(port: int) -> AsyncIterator[None]:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        yield
        return
    raise SystemExit(f"nothing listens on port {port}")


async def measure(arguments: argparse.Namespace) -> bool:
    bot, ours, peer = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as state, running([sys.executable, "-m", "bench.channel", "--bot", str(bot)]):
        address = f"http://127.0.0.1:{bot}/api/messages"
        options = ["--bot", address, "--port", str(ours), "--state", state, "--secret", SECRET]
        with running([sys.executable, "-m", "local.channel", *options]) as pid:
            async with answering(bot), answering(ours):
                well = await streaming(ours, pid, arguments)
                rates = {"local.channel": await polling(ours, "/v3/directline")}
        if PEER.is_file():
            with running(["node", str(PEER), "-d", str(peer), "-b", address]):
                async with answering(peer):
                    rates["offline-directline"] = await polling(peer, "/directline")
    print(f"Round trips a second by polling, {POLLERS} clients:")
    for name, rate in rates.items():
        print(f"  {name:<20} {rate:.0f}")
    if not PEER.is_file():
        print("The peer was not measured: npm install --prefix .local/npm --ignore-scripts offline-directline@1.3.1")
    return well


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench channel", description=__doc__)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--bot", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bot:
        with suppress(KeyboardInterrupt):
            asyncio.run(echo_bot(arguments.bot))
        return 0
    return 0 if asyncio.run(measure(arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
