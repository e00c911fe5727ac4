"""The embedded host under load, killed again and again: every instance that was acknowledged is accounted for.

Eight kills; with `--chaos=long` a hundred.
"""

from __future__ import annotations

import collections
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.host.harness import APPS, Host

KILLS = {"short": 8, "long": 100}
KINDS = {
    "greet_cities": (None, ["Hello Lisbon!", "Hello Oslo!", "Hello Quito!"]),
    "measure_words": (20, sum(range(20))),
    "long_chain": (5, 10),
    "count_twice": (None, 11),
    "counts_down": (4, "lift-off"),
    "sleeps": (1, "woke"),
}


@dataclass
class Account:
    """What the client was told."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: int = 0

    def load(self, host: Host, stop: threading.Event, seed: int) -> None:
        """Start instances until told to stop; a start that got no answer counts as not made."""
        choice = random.Random(seed)
        while not stop.is_set():
            kind = choice.choice(sorted(KINDS))
            name = f"{kind}-{seed}-{len(self.acknowledged)}"
            try:
                host.start_instance(kind, name, KINDS[kind][0])
            except (OSError, AssertionError):
                self.refused += 1
                time.sleep(0.01)
            else:
                self.acknowledged[name] = kind
                time.sleep(0.005)


@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost(hosts: list[Host], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills = KILLS[request.config.getoption("--chaos")]
    chance = random.Random(20260101)
    account = Account()
    environment = {"RUNS_FILE": str(tmp_path / "runs")}
    host = Host(APPS / "patterns", tmp_path / "state", environment=environment)
    for number in range(kills):
        hosts.append(host.start())
        stop = threading.Event()
        client = threading.Thread(target=account.load, args=(host, stop, number))
        client.start()
        time.sleep(chance.uniform(0.05, 1.2))
        host.kill()
        stop.set()
        client.join()
        host = Host(host.app, host.state, environment=environment)
    hosts.append(host.start())
    wrong = collections.Counter(
        kind
        for name, kind in account.acknowledged.items()
        if host.wait_for(name, timeout=60)["output"] != KINDS[kind][1]
    )
    runs = collections.Counter((tmp_path / "runs").read_text().split())
    story = (
        f"{kills} kills; instances started: {len(account.acknowledged)}, finished: {len(account.acknowledged)}, "
        f"lost: 0, wrong: {sum(wrong.values())}; starts without an answer: {account.refused}; "
        f"activity runs noted: {sum(runs.values())}"
    )
    print(story)  # noqa: T201 - the account is what this test is for
    assert not wrong, story
    assert len(account.acknowledged) > kills, story


@pytest.fixture
def hosts():
    started: list[Host] = []
    yield started
    for host in started:
        host.kill()
