"""Notifications a second from API call to ledger row, and what each costs, beside the same rows written by hand.

Run `python -m bench.deliver [--notifications 300] [--users 100] [--callers 1 10 50]`. Host, channel, tables and the
peer are processes of their own; the channel takes everything, and the throttle is off, since it would hold the bot to
the 50 a second of Teams. The peer (`bench/deliver_peer.py`) promises less: it loses what a crash interrupts. Both run
in turns with the same callers. CPU is what each process used, and includes what it does besides.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from azure.data.tables import TableServiceClient

from bench import deliver_peer
from bench.channel import processor
from bench.cloud import Cloud, Program, call, free_ports

INSTANCES = "/runtime/webhooks/durabletask/instances"
SAMPLED = 20
WARM = 50
PATIENCE = 600.0


@dataclass(frozen=True)
class Way:
    """One that delivers: `post` hands it one message, `table` gets its rows."""

    name: str
    table: str
    prefix: str
    post: Callable[[str, int], None]
    programs: dict[str, Program]


@dataclass(frozen=True)
class Figures:
    """Of one run, in seconds; `cpu` by process."""

    lasted: float
    calls: list[float]
    rows: dict[str, dict[str, Any]]
    cpu: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench deliver", description=__doc__)
    parser.add_argument("--notifications", type=int, default=300, help="how many are sent each time (300)")
    parser.add_argument("--users", type=int, default=100, help="to how many people (100)")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 10, 50], help="by how many at a time (1 10 50)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Cloud(Path(folder), THROTTLE_APP="off", THROTTLE_CONVERSATION="off") as cloud,
    ):
        users = [f"dl_user{number}" for number in range(options.users)]
        with ThreadPoolExecutor(4) as pool:
            conversations = list(pool.map(cloud.introduce, users))
        peer = start_peer(cloud)
        try:
            measure(cloud, [ours(cloud, users), by_hand(cloud, peer, conversations)], options)
        finally:
            peer.kill()


def measure(cloud: Cloud, ways: list[Way], options: argparse.Namespace) -> None:
    count = options.notifications
    for way in ways:
        run(cloud, way, min(WARM, count), 8, "warm")
    print(f"{count} notifications; milliseconds are p50 / p99, CPU is milliseconds a notification")
    print(f"{'callers':>7}  {'':12}{'a second':>9}{'API call':>16}{'accepted → ledger':>19}  CPU")
    for callers in options.callers:
        for way in ways:
            figures = run(cloud, way, count, callers, f"with{callers}-")
            show(callers, way, figures)
            if way is ways[0]:
                histories = sorted(figures.rows)[:: max(1, count // SAMPLED)]
    for name, number in costs(cloud, histories).items():
        print(f"{name}: {number:g} a notification")


def ours(cloud: Cloud, users: list[str]) -> Way:
    def post(name: str, number: int) -> None:
        to = {"userId": f"directline:{users[number % len(users)]}"}
        # critical: a person's own rate is not what is measured here.
        body = {"id": name, "to": to, "category": "orders", "priority": "critical", "text": f"no. {number}"}
        cloud.api("POST", "notifications", body)

    programs = {"host": cloud.host_programs[0], "tables": cloud.tables_program, "channel": cloud.channel_program}
    return Way("Ringback", "ledger", "notify-", post, programs)


def by_hand(cloud: Cloud, peer: Program, conversations: list[str]) -> Way:
    def post(name: str, number: int) -> None:
        body = {"id": name, "conversation": conversations[number % len(conversations)], "text": f"no. {number}"}
        call("POST", f"{peer.ready}notifications", body)

    programs = {"peer": peer, "tables": cloud.tables_program, "channel": cloud.channel_program}
    return Way("by hand", deliver_peer.LEDGER, "", post, programs)


def start_peer(cloud: Cloud) -> Program:
    [port] = free_ports(1)
    arguments = ["--port", str(port), "--connection", cloud.connection, "--channel", cloud.channel]
    peer = Program("bench.deliver_peer", arguments, f"http://127.0.0.1:{port}/", cloud.folder / "peer.log", {})
    peer.start()
    return peer


def run(cloud: Cloud, way: Way, count: int, callers: int, name: str) -> Figures:
    """Send, and wait until all have arrived; it lasts from the first call to the last ledger row."""
    calls: list[float] = []

    def notify(number: int) -> None:
        before = time.perf_counter()
        way.post(f"{name}{number}", number)
        calls.append(time.perf_counter() - before)

    used, started = cpu(way), time.time()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(notify, range(count)))
    end = time.monotonic() + PATIENCE
    while True:
        rows = ledger(cloud, way.table, f"{way.prefix}{name}")
        if len(rows) == count and all(row["State"] == "delivered" for row in rows.values()):
            break
        if time.monotonic() > end:
            raise TimeoutError(f"not delivered: {Counter(row['State'] for row in rows.values())}")
        time.sleep(0.25)
    last: float = max(row["DeliveredAt"].timestamp() for row in rows.values())
    return Figures(last - started, calls, rows, {part: seconds - used[part] for part, seconds in cpu(way).items()})


def cpu(way: Way) -> dict[str, float]:
    """Seconds that each process has used so far."""
    return {part: processor(program.process.pid) for part, program in way.programs.items() if program.process}


def ledger(cloud: Cloud, table: str, prefix: str) -> dict[str, dict[str, Any]]:
    """The ledger's rows of the run."""
    columns = ["RowKey", "State", "DeliveredAt", "LatencySeconds"]
    # What follows the prefix is a number.
    wanted = f"RowKey ge '{prefix}' and RowKey lt '{prefix}:'"
    with TableServiceClient.from_connection_string(cloud.connection) as service:
        rows = service.get_table_client(table).query_entities(wanted, select=columns)
        return {row["RowKey"]: dict(row) for row in rows}


def show(callers: int, way: Way, figures: Figures) -> None:
    """One line a run."""
    count = len(figures.rows)
    latencies = [row["LatencySeconds"] for row in figures.rows.values()]
    used = "  ".join(f"{part} {seconds / count * 1000:.1f}" for part, seconds in figures.cpu.items())
    rate = f"{count / figures.lasted:9.1f}"
    print(f"{callers:>7}  {way.name:12}{rate}{spread(figures.calls):>16}{spread(latencies):>19}  {used}", flush=True)


def costs(cloud: Cloud, instances: list[str]) -> dict[str, float]:
    """Turns of the orchestrator, activities and entity operations, by the histories of some instances."""
    found: dict[str, list[int]] = {"durable turns": [], "activities": [], "entity operations": []}
    for instance in instances:
        # The management API leaves the turns out of its history; each new batch of events is one.
        history = call("GET", f"{cloud.hosts[0]}{INSTANCES}/{instance}?showHistory=true")["historyEvents"]
        kinds = Counter(event["EventType"] for event in history)
        activities = kinds["TaskCompleted"] + kinds["TaskFailed"]
        operations = kinds["EventSent"] or kinds["EventRaised"]
        found["activities"].append(activities)
        found["entity operations"].append(operations)
        found["durable turns"].append(1 + activities + operations + kinds["TimerFired"])
    return {name: median(numbers) for name, numbers in found.items()}


def spread(seconds: list[float]) -> str:
    """Two quantiles, in milliseconds."""
    ordered = sorted(seconds)
    half, most = (ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000 for part in (0.5, 0.99))
    return f"{half:.0f} / {most:.0f}"


if __name__ == "__main__":
    main()
