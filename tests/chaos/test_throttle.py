"""Two hosts on one Table endpoint, each with a state of its own, keep the channel's limits together."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.cloud import Cloud
from tests.chaos.test_delivery import ledger

SOLO, CROWD, EACH = 24, 30, 8


@pytest.mark.timeout(400)
def test_two_hosts_together_never_exceed_the_limits(tmp_path: Path):
    """Bursts for one conversation through both hosts, and many conversations of one app at once."""
    people = [f"dl_crowd{number}" for number in range(CROWD)]
    with Cloud(tmp_path / "cloud", hosts=2) as cloud:

        def introduce(user: str) -> None:
            cloud.introduce_to(1, user, cloud.introduce(user))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(introduce, [*people, "dl_solo"]))
        # The bot's own answers to those greetings went out without a lease, and are not what is tested.
        time.sleep(2)
        cloud.admin("PUT", "limits", {"enabled": True})
        cloud.admin("DELETE", "account")
        wanted = [("dl_solo", number) for number in range(SOLO)]
        wanted += [(person, number) for number in range(EACH) for person in people]

        def notify(entry: tuple[int, tuple[str, int]]) -> None:
            place, (person, number) = entry
            to = {"userId": f"directline:{person}"}
            body = {"to": to, "category": "orders", "priority": "critical", "text": f"{person} {number}"}
            cloud.api("POST", "notifications", body, host=place % 2)

        began = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(notify, enumerate(wanted)))
        end = time.monotonic() + 120
        while True:
            states = Counter(row["State"] for row in ledger(cloud).values())
            if states["delivered"] == len(wanted):
                break
            assert time.monotonic() < end, states
            time.sleep(0.5)
        took = time.monotonic() - began
        account = cloud.admin("GET", "account")
        print(f"\n{len(wanted)} by two hosts in {took:.0f} s: {account['byStatus']}")  # noqa: T201
        assert account["byStatus"].get("429", 0) == 0
        assert (account["accepted"], account["duplicated"]) == (len(wanted), 0)
