"""Thousands of notifications against a channel that does everything wrong, while the host is killed again and again.

`--chaos=long` runs it at full size: 2,000 notifications to 200 users, ten kills.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, RefusedError

# Notifications, users, kills.
SIZES = {"short": (300, 40, 3), "long": (2_000, 200, 10)}
FINAL = {"delivered", "failed"}
LETTERS_SECONDS = 120
PATIENCE = 400
COLUMNS = ["RowKey", "State", "Ambiguous", "Code", "Attempts", "DeliveredAt", "FailedAt"]
PERMANENT = [
    *("400", "401", "403", "403-blocked-by-user", "403-disabled-by-admin", "403-writes-blocked", "403-not-in-roster"),
    *("403-not-installed", "403-not-in-personal-scope", "403-wrong-host", "403-decrypt"),
    *("404-conversation", "404-activity", "413"),
]
FAULTS: list[dict[str, Any]] = [
    *({"preset": "429-retry-after", "retryAfter": seconds, "rate": 0.1 / 3} for seconds in (1, 2, 3)),
    {"preset": "502-html", "rate": 0.05},
    {"preset": "drop-taken", "rate": 0.02},
    *({"preset": preset, "rate": 0.01} for preset in PERMANENT),
]


class Patient:
    """Calls a host that may be dead at any moment, as a well-written caller does: again, with the same id."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.retried = 0

    def api(self, method: str, path: str, body: Any = None, seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                return self.cloud.api(method, path, body, timeout=10)
            except RefusedError as error:
                if error.status < 500 or time.monotonic() > end:
                    raise
            except OSError:
                if time.monotonic() > end:
                    raise
            self.retried += 1
            time.sleep(0.1)


class Killer(threading.Thread):
    """Kills the host so many times, spread over its work, at moments that nobody chose."""

    def __init__(self, cloud: Cloud, kills: int, seed: int, done: Callable[[], float] = lambda: 1.0) -> None:
        """`done` tells how much of the work is done, from 0 to 1."""
        super().__init__(daemon=True)
        self.cloud, self.kills, self.draw, self.done = cloud, kills, random.Random(seed), done
        self.moments: list[datetime] = []

    def run(self) -> None:
        host = self.cloud.host_programs[0]
        for number in range(self.kills):
            while self.done() < (number + self.draw.random()) / (self.kills + 1):
                time.sleep(0.02)
            time.sleep(self.draw.uniform(0.0, 0.5))
            self.moments.append(datetime.now(timezone.utc))
            host.kill()
            host.start()


def ledger(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Every row of the ledger that a notification has, by its delivery id."""
    with TableServiceClient.from_connection_string(cloud.connection) as service:
        rows = service.get_table_client("ledger").query_entities("", select=COLUMNS)
        return {row["RowKey"]: dict(row) for row in rows if row["RowKey"].startswith("notify-")}


def kept(folder: Path) -> Counter[str]:
    """How often the channel kept the message of each delivery."""
    with closing(sqlite3.connect(f"file:{folder / 'channel' / 'channel.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT key, COUNT(*) FROM account JOIN copies ON send = seq WHERE key LIKE 'id:notify-%' GROUP BY key"
        )
        return Counter({key.removeprefix("id:"): count for key, count in rows})


def wait_all_ended(cloud: Cloud, count: int, seconds: float) -> dict[str, dict[str, Any]]:
    end = time.monotonic() + seconds
    while True:
        rows = ledger(cloud)
        if len(rows) == count and all(row["State"] in FINAL for row in rows.values()):
            return rows
        left = Counter(row["State"] for row in rows.values())
        assert time.monotonic() < end, f"not all ended: {left} of {count}"
        time.sleep(0.5)


def wait(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def dead_letters(patient: Patient) -> dict[str, str]:
    found: dict[str, str] = {}
    path = "dead-letters?limit=200"
    while True:
        page = patient.api("GET", path)
        found |= {letter["id"]: letter["code"] for letter in page["deadLetters"]}
        if "continuation" not in page:
            return found
        path = f"dead-letters?limit=200&continuation={page['continuation']}"


@pytest.mark.timeout(1500)
def test_every_notification_is_accounted_for(request: pytest.FixtureRequest, tmp_path: Path):
    count, people, kills = SIZES[request.config.getoption("--chaos")]
    users = [f"dl_user{number}" for number in range(people)]
    with Cloud(tmp_path / "cloud") as cloud:
        patient = Patient(cloud)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(cloud.introduce, users))
        for rule in FAULTS:
            cloud.admin("POST", "faults", rule)

        accepted: list[str] = []

        def notify(number: int) -> None:
            to = {"userId": f"directline:{users[number % people]}"}
            body = {"id": f"n{number}", "to": to, "category": "orders", "text": f"message {number}"}
            accepted.append(patient.api("POST", "notifications", body)["id"])

        began = time.monotonic()
        killer = Killer(cloud, kills, seed=7, done=lambda: len(accepted) / count)
        killer.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(notify, range(count)))
        killer.join()
        rows = wait_all_ended(cloud, count, seconds=600)
        sent, states = kept(cloud.folder), Counter(row["State"] for row in rows.values())
        took = time.monotonic() - began
        print(f"\n{count} notifications, {people} users, {kills} kills, {took:.0f} s: {dict(states)}")  # noqa: T201
        report(rows, sent, patient, cloud)

        assert set(rows) == {f"notify-{identity}" for identity in accepted}
        assert len(killer.moments) == kills
        assert killer.moments[-1] < max(ended_at(row) for row in rows.values()), "the last kill hit a host at rest"
        check_copies(rows, sent)
        check_dead_letters(rows, patient)
        again = redriven(patient, rows)
        check_copies(again, kept(cloud.folder))
        check_redrive(rows, again, sent, kept(cloud.folder))
        check_dead_letters(again, patient)


def ended_at(row: dict[str, Any]) -> datetime:
    return row["DeliveredAt"] if row["State"] == "delivered" else row["FailedAt"]


def check_copies(rows: dict[str, dict[str, Any]], sent: Counter[str]) -> None:
    """Nothing that is called delivered is lost; what came more often than that, the ledger calls ambiguous."""
    for delivery, row in rows.items():
        delivered = row["State"] == "delivered"
        assert sent[delivery] >= delivered, f"{delivery} is lost: {row}"
        assert sent[delivery] <= row["Ambiguous"] + delivered, f"{delivery} came {sent[delivery]} times: {row}"


def check_dead_letters(rows: dict[str, dict[str, Any]], patient: Patient) -> None:
    """What failed is a dead letter with its reason, and nothing else is."""
    failed = failures(rows)
    assert all(failed.values())
    # A letter is written after its row, by a host that may just have been killed.
    end = time.monotonic() + LETTERS_SECONDS
    while dead_letters(patient) != failed and time.monotonic() < end:
        time.sleep(1)
    assert dead_letters(patient) == failed


def check_redrive(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], sent: Counter[str], again: Counter[str]
) -> None:
    """A redrive sends what failed once, and what the kill in its midst left open; nothing of what was delivered."""
    for delivery, row in after.items():
        open_tries = row["Ambiguous"] - before[delivery]["Ambiguous"]
        once = row["State"] == "delivered" and before[delivery]["State"] == "failed"
        assert again[delivery] - sent[delivery] <= once + open_tries, f"{delivery}: {row}"


def failures(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name.removeprefix("notify-"): row["Code"] for name, row in rows.items() if row["State"] == "failed"}


def report(rows: dict[str, dict[str, Any]], sent: Counter[str], patient: Patient, cloud: Cloud) -> None:
    """What one wants to know of such a run."""
    duplicates = sum(count - 1 for count in sent.values() if count > 1)
    ambiguous = sum(row["Ambiguous"] for row in rows.values())
    interrupted = sum(row["Attempts"].count('"interrupted"') for row in rows.values())
    codes = Counter(row["Code"] for row in rows.values() if row["State"] == "failed")
    print(f"ambiguous tries {ambiguous}, {interrupted} of them by a kill, duplicates {duplicates}")  # noqa: T201
    print(f"calls repeated {patient.retried}, answers {cloud.admin('GET', 'account')['byStatus']}")  # noqa: T201
    print(f"failed by code: {dict(codes.most_common())}")  # noqa: T201


def redriven(patient: Patient, rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """An operator sends everything again, and the host is killed in the midst of it.

    Whom a channel's answer closed for us fails again, unasked.
    """
    patient.cloud.admin("DELETE", "faults")
    killer = Killer(patient.cloud, 1, seed=8)
    killer.start()
    for code in sorted(set(failures(rows).values())):
        wanted = {"code": code}
        while (answer := patient.api("POST", "dead-letters/redrive", wanted))["more"]:
            wanted["continuation"] = answer["continuation"]
    killer.join()
    return wait_all_ended(patient.cloud, len(rows), seconds=300)
