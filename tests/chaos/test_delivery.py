"""Thousands of notifications against a channel that does everything wrong, while the host is killed again and again.

`--chaos=long` runs it at full size: 2,000 notifications to 200 users, ten kills.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, RefusedError

# Notifications, users, kills.
SIZES = {"short": (300, 40, 3), "long": (2_000, 200, 10)}
FINAL = {"delivered", "failed"}
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
    """Kills the host so many times, at moments that nobody chose."""

    def __init__(self, cloud: Cloud, kills: int, seed: int) -> None:
        super().__init__()
        self.cloud, self.kills, self.draw = cloud, kills, random.Random(seed)

    def run(self) -> None:
        host = self.cloud.host_programs[0]
        for _ in range(self.kills):
            time.sleep(self.draw.uniform(0.5, 4.0))
            host.kill()
            host.start()


def ledger(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Every row of the ledger that a notification has, by its delivery id."""
    with TableServiceClient.from_connection_string(cloud.connection) as service:
        rows = service.get_table_client("ledger").query_entities("", select=["RowKey", "State", "Ambiguous", "Code"])
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

        def notify(number: int) -> str:
            to = {"userId": f"directline:{users[number % people]}"}
            body = {"id": f"n{number}", "to": to, "category": "orders", "text": f"message {number}"}
            return patient.api("POST", "notifications", body)["id"]

        began = time.monotonic()
        killer = Killer(cloud, kills, seed=7)
        killer.start()
        with ThreadPoolExecutor(4) as pool:
            accepted = list(pool.map(notify, range(count)))
        killer.join()
        rows = wait_all_ended(cloud, count, seconds=600)
        took = time.monotonic() - began
        sent = kept(cloud.folder)
        states = Counter(row["State"] for row in rows.values())
        print(f"\n{count} notifications, {people} users, {kills} kills, {took:.0f} s: {dict(states)}")  # noqa: T201
        report(rows, sent, patient)

        assert set(rows) == {f"notify-{identity}" for identity in accepted}
        for delivery, row in rows.items():
            allowed = row["Ambiguous"] + (row["State"] == "delivered")
            assert sent[delivery] >= (row["State"] == "delivered"), f"{delivery} is lost: {row}"
            assert sent[delivery] <= allowed, f"{delivery} came {sent[delivery]} times: {row}"
        failed = {
            delivery.removeprefix("notify-"): row["Code"] for delivery, row in rows.items() if row["State"] == "failed"
        }
        assert dead_letters(patient) == failed
        assert all(failed.values())

        cloud.admin("DELETE", "faults")
        redrive(patient, failed)
        rows = wait_all_ended(cloud, count, seconds=120)
        again = kept(cloud.folder)
        for delivery, row in rows.items():
            assert again[delivery] <= row["Ambiguous"] + 1, f"{delivery}: {row}"
            assert again[delivery] - sent[delivery] <= (row["State"] == "delivered")


def report(rows: dict[str, dict[str, Any]], sent: Counter[str], patient: Patient) -> None:
    """What one wants to know of such a run."""
    duplicates = sum(count - 1 for count in sent.values() if count > 1)
    ambiguous = sum(row["Ambiguous"] for row in rows.values())
    codes = Counter(row["Code"] for row in rows.values() if row["State"] == "failed")
    print(f"ambiguous tries {ambiguous}, duplicates {duplicates}, calls repeated {patient.retried}")  # noqa: T201
    print(f"failed by code: {dict(codes.most_common())}")  # noqa: T201


def redrive(patient: Patient, failed: dict[str, str]) -> None:
    """An operator sends everything again; whom a channel's answer closed for us fails again, unasked."""
    for code in sorted(set(failed.values())):
        wanted = {"code": code}
        while (answer := patient.api("POST", "dead-letters/redrive", wanted))["more"]:
            wanted["continuation"] = answer["continuation"]
