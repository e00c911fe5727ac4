"""Quiet hours through the nights in which clocks change, on the embedded host's test clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.clocked import ClockedStack, next_jumps, utc
from tests.e2e.directline import Chat
from tests.e2e.test_preferences import ended, notify, told, until

ZONE = "Europe/Berlin"


@pytest.fixture(scope="module")
def clocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClockedStack]:
    if request.config.getoption("--host"):
        pytest.skip("needs the embedded host's test clock")
    found = ClockedStack(Path(tmp_path_factory.mktemp("clocked")) / "state")
    try:
        found.start()
        yield found
    finally:
        found.kill()


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("which", [0, 1], ids=["the next change", "the one after"])
def test_a_night_in_which_clocks_change(clocked: ClockedStack, which: int):
    midnight = next_jumps(ZONE)[which]
    evening, morning = midnight - timedelta(hours=1), midnight.replace(hour=7)
    hours = (utc(morning) - utc(evening)) / timedelta(hours=1)
    assert hours in {7, 9}
    clocked.leap(utc(evening))
    chat = Chat(clocked.channel, f"dl_night{which}")
    chat.ask(f"quiet 22:00-07:00 {ZONE}", "22:00-07:00")
    held = until(clocked, notify(clocked, chat, text="good morning"), {"waiting"})
    assert parsed(held["waitingUntil"]) == utc(morning)
    late = notify(clocked, chat, text="last orders", expiresAt=utc(evening + timedelta(hours=2)).isoformat())
    assert (ended(clocked, late)["status"], ended(clocked, late)["reason"]) == ("suppressed", "expired")
    assert ended(clocked, notify(clocked, chat, text="fire", priority="critical"))["status"] == "delivered"

    # The host is down for most of the night.
    clocked.leap(utc(morning) - timedelta(minutes=3))
    clocked.move(utc(morning) - timedelta(seconds=1))
    assert until(clocked, held["id"], {"waiting"})["waitingUntil"] == held["waitingUntil"]
    assert told(chat, "good morning") == 0
    clocked.move(utc(morning))
    assert ended(clocked, held["id"])["status"] == "delivered"
    chat.wait_text("good morning")
    clocked.move(utc(morning) + timedelta(minutes=5))
    assert told(chat, "good morning") == 1
    assert (told(chat, "fire"), told(chat, "last orders")) == (1, 0)
