"""The embedded host over its HTTP API, on disk, beside durabletask's in-memory backend in the same run.

Run `python -m bench.host [--quick] [--growth]`. `--growth` adds: the price of a step in long chains, 100,000 finished
instances in the file, the memory of 10,000 instances that wait on timers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from bench.host_loads import Loads

PROJECT = Path(__file__).resolve().parents[1]
APP = Path(__file__).parent / "host_app"
API = "/runtime/webhooks/durabletask"
QUICK = Loads(chains=100, fan_out=200, signals=200, calls=60, latencies=20)
CONCURRENT_REQUESTS = 32
FINISHED = 100_000
WAITING = 10_000
ROWS = (
    ("chains", "500 chains of 3 activities", "orchestrations/s", 3.0),
    ("fan_out", "one fan-out of 1000 activities", "activities/s", 4.0),
    ("signals_1", "1000 entity signals, 1 key", "operations/s", 2.0),
    ("signals_100", "1000 entity signals, 100 keys", "operations/s", 2.0),
    ("calls", "300 call_entity, one after the other", "operations/s", 2.0),
    ("latency", "one chain of 3, alone (median)", "ms", 1.0),
)


class Ours:
    def __init__(self, session: aiohttp.ClientSession, process: subprocess.Popen[bytes], state: Path) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self.process = process
        self.state = state

    async def post(self, path: str, value: Any) -> Any:
        async with self._slots, self._session.post(API + path, json=json.dumps(value)) as response:
            assert response.status == 202, await response.text()
            return await response.json(content_type=None)

    async def get(self, path: str) -> Any:
        async with self._session.get(API + path) as response:
            return await response.json(content_type=None)

    async def run(self, name: str, value: int, *, times: int = 1) -> float:
        """Seconds from the first start to the last end."""
        begun = time.perf_counter()
        await asyncio.gather(*(self.post(f"/orchestrators/{name}", value) for _ in range(times)))
        while await self.get("/instances?runtimeStatus=Pending,Running&top=1"):  # noqa: ASYNC110 - the API can only be polled
            await asyncio.sleep(0.001)
        return time.perf_counter() - begun

    async def signal(self, count: int, keys: int) -> float:
        begun = time.perf_counter()
        names = [f"{keys}-{n % keys}" for n in range(count)]
        await asyncio.gather(*(self.post(f"/entities/counter/{name}?op=add", 1) for name in names))
        while await self._total(keys) < count:  # noqa: ASYNC110 - the API can only be polled
            await asyncio.sleep(0.005)
        return time.perf_counter() - begun

    async def _total(self, keys: int) -> int:
        entities = await self.get("/entities/counter?fetchState=true&top=1000")
        return sum(e["state"] for e in entities if e["entityId"]["key"].startswith(f"{keys}-"))

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextlib.asynccontextmanager
async def host(state: Path) -> AsyncIterator[Ours]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "local.host",
        "start",
        "--app",
        str(APP),
        "--port",
        str(port),
        "--state",
        str(state),
    ]
    with (state.parent / "host.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)  # noqa: ASYNC220 - once, at the start
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await _ready(session)
            yield Ours(session, process, state)
    finally:
        process.kill()
        process.wait()


async def _ready(session: aiohttp.ClientSession) -> None:
    for _ in range(600):
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get("/admin/host/ping"):
                return
        await asyncio.sleep(0.05)
    raise SystemExit("the host did not come up")


async def measure(loads: Loads, state: Path) -> dict[str, float]:
    async with host(state) as ours:
        await ours.run("chain", 3, times=5)
        return {
            "chains": loads.chains / await ours.run("chain", 3, times=loads.chains),
            "fan_out": loads.fan_out / await ours.run("fan_out", loads.fan_out),
            "signals_1": loads.signals / await ours.signal(loads.signals, 1),
            "signals_100": loads.signals / await ours.signal(loads.signals, 100),
            "calls": loads.calls / await ours.run("calls", loads.calls),
            "latency": 1000 * statistics.median([await ours.run("chain", 3) for _ in range(loads.latencies)]),
        }


async def growth(folder: Path, loads: Loads) -> list[str]:
    """What grows with history, with finished instances, with waiting ones: one line each."""
    lines = []
    async with host(folder / "growth") as ours:
        short = await ours.run("chain", 3, times=20) / 60
        hundred, four_hundred = [await ours.run("chain", steps) / steps for steps in (100, 400)]
        lines.append(
            f"a step of a chain of 3 / 100 / 400: {short * 1e3:.2f} / {hundred * 1e3:.2f} / {four_hundred * 1e3:.2f} "
            f"ms (400 to 100: {four_hundred / hundred:.2f}x, wanted at most 2x)"
        )
        before = ours.memory_mb()
        await asyncio.gather(*(ours.post("/orchestrators/waits", 0) for _ in range(WAITING)))
        while await ours.get("/instances?runtimeStatus=Pending&top=1"):  # noqa: ASYNC110 - the API can only be polled
            await asyncio.sleep(0.1)
        lines.append(f"{WAITING} instances on timers: {before:.0f} -> {ours.memory_mb():.0f} MB (wanted under 300 MB)")
    empty = await measure(loads, folder / "empty")
    fill(folder / "full", FINISHED)
    full = await measure(loads, folder / "full")
    slower = ", ".join(f"{name} {full[name] / empty[name]:.2f}x" for name, *_ in ROWS)
    lines.append(f"{FINISHED} finished instances in the file, to none: {slower}")
    return lines


def fill(state: Path, count: int) -> None:
    """A state file with finished chains of three, as the host leaves them."""
    from local.host import history  # noqa: PLC0415 - only here
    from local.host.database import Database  # noqa: PLC0415

    state.mkdir(parents=True)
    database = Database(state / "host.db")
    now = time.time_ns() // 1000
    started = history.text(history.execution_started(now, "i", "e", "chain", None, '"3"'))
    events = ",".join([started, *(history.text(history.task_completed(now, n, str(n))) for n in range(3))])
    with database.transaction():
        database.many(
            "INSERT INTO instances VALUES (?, 'e', 'chain', NULL, 1, '\"3\"', '3', NULL, ?, ?, NULL, 0)",
            [(f"finished-{n:06}", now - n, now - n) for n in range(count)],
        )
        database.many("INSERT INTO history VALUES (?, 0, ?)", [(f"finished-{n:06}", events) for n in range(count)])
    database.close()


def peer(loads: Loads) -> dict[str, float]:
    """Each load in a process of its own; one that hangs, as its server may, is tried once more."""
    return {name: _peer_figure(name, loads) for name, *_ in ROWS}


def _peer_figure(name: str, loads: Loads) -> float:
    command = [sys.executable, "-m", "bench.host_peer", name, json.dumps(asdict(loads))]
    for _ in range(2):
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=60
            )
            return float(json.loads(done.stdout or "NaN"))
    return math.nan


def table(ours: dict[str, float], theirs: dict[str, float]) -> str:
    lines = [f"{'':<40}{'ours, on disk':>16}{'durabletask, memory':>22}{'ratio':>8}{'wanted':>9}"]
    for name, title, unit, wanted in ROWS:
        ratio = ours[name] / theirs[name]
        goal = f"<= {wanted:g}" if name == "latency" else f">= {wanted:g}"
        lines.append(f"{title:<40}{ours[name]:>12.1f}{theirs[name]:>18.1f} {unit:<17}{ratio:>5.2f}x{goal:>8}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench host", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the loads")
    parser.add_argument(
        "--growth", action="store_true", help="also what grows: history, finished and waiting instances"
    )
    parser.add_argument("--ours", action="store_true", help="without the peer")
    options = parser.parse_args()
    loads = QUICK if options.quick else Loads()
    with tempfile.TemporaryDirectory(prefix="bench-host-") as name:
        folder = Path(name)
        ours = asyncio.run(measure(loads, folder / "state"))
        if options.ours:
            print({name: round(value, 1) for name, value in ours.items()})
        else:
            print(table(ours, peer(loads)))
        if options.growth:
            print("\n".join(asyncio.run(growth(folder, QUICK))))


if __name__ == "__main__":
    main()
