"""Notifications a second from API call to ledger row on the embedded host, their latency, and what each costs.

Run `python -m bench.deliver [--notifications 500] [--users 100] [--callers 8]`. Host, channel and tables are processes
of their own; the channel takes everything, and the throttle is off, since it would hold the bot to the 50 a second of
Teams.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, call

INSTANCES = "/runtime/webhooks/durabletask/instances"
SAMPLED = 20
PATIENCE = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench deliver", description=__doc__)
    parser.add_argument("--notifications", type=int, default=500, help="how many are sent (500)")
    parser.add_argument("--users", type=int, default=100, help="to how many people (100)")
    parser.add_argument("--callers", type=int, default=8, help="by how many callers at a time (8)")
    options = parser.parse_args()
    count, people, callers = options.notifications, options.users, options.callers
    with (
        tempfile.TemporaryDirectory() as folder,
        Cloud(Path(folder), THROTTLE_APP="off", THROTTLE_CONVERSATION="off") as cloud,
    ):
        users = [f"dl_user{number}" for number in range(people)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(cloud.introduce, users))
        run(cloud, users, min(50, count), callers, "warm")
        show(*run(cloud, users, count, callers, "bench"), cloud)


def run(
    cloud: Cloud, users: list[str], count: int, callers: int, name: str
) -> tuple[float, list[float], dict[str, dict[str, Any]]]:
    """(seconds from the first call to the last ledger row, seconds of each call, the rows)."""
    calls: list[float] = []

    def notify(number: int) -> None:
        to = {"userId": f"directline:{users[number % len(users)]}"}
        # critical: a person's own rate is not what is measured here.
        body = {
            "id": f"{name}{number}",
            "to": to,
            "category": "orders",
            "priority": "critical",
            "text": f"no. {number}",
        }
        before = time.perf_counter()
        cloud.api("POST", "notifications", body)
        calls.append(time.perf_counter() - before)

    started = time.time()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(notify, range(count)))
    end = time.monotonic() + PATIENCE
    while True:
        rows = ledger(cloud, f"notify-{name}")
        if len(rows) == count and all(row["State"] == "delivered" for row in rows.values()):
            break
        if time.monotonic() > end:
            raise TimeoutError(f"not delivered: {Counter(row['State'] for row in rows.values())}")
        time.sleep(0.25)
    last: float = max(row["DeliveredAt"].timestamp() for row in rows.values())
    return last - started, calls, rows


def ledger(cloud: Cloud, prefix: str) -> dict[str, dict[str, Any]]:
    """The ledger's rows of the run."""
    columns = ["RowKey", "State", "DeliveredAt", "LatencySeconds"]
    with TableServiceClient.from_connection_string(cloud.connection) as service:
        rows = service.get_table_client("ledger").query_entities("", select=columns)
        return {row["RowKey"]: dict(row) for row in rows if row["RowKey"].startswith(prefix)}


def show(seconds: float, calls: list[float], rows: dict[str, dict[str, Any]], cloud: Cloud) -> None:
    """One line a figure."""
    latencies = [row["LatencySeconds"] for row in rows.values()]
    print(f"{len(rows)} notifications: {len(rows) / seconds:.1f} a second from API call to ledger row")
    print(f"API call          p50 {spread(calls, 0.5)}  p99 {spread(calls, 0.99)}")
    print(f"accepted → ledger p50 {spread(latencies, 0.5)}  p99 {spread(latencies, 0.99)}")
    for name, number in costs(cloud, sorted(rows)[:: max(1, len(rows) // SAMPLED)]).items():
        print(f"{name:17} {number:g} a notification")


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


def spread(seconds: list[float], part: float) -> str:
    """One quantile, in milliseconds."""
    ordered = sorted(seconds)
    return f"{ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000:6.0f} ms"


if __name__ == "__main__":
    main()
