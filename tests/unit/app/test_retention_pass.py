"""When a pass begins, and how its orchestration goes from page to page."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from orchestrators import retention as orchestrator
from ringback import retention
from ringback.operations.desk import InstanceStatus
from ringback.retention import Kept, Pass
from ringback.settings import RetentionSettings
from triggers import retention as trigger

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


class Context:
    """Keeps what the orchestrator asks for."""

    def __init__(self, given: Any) -> None:
        self.given, self.current_utc_datetime = given, NOW
        self.calls: list[tuple[str, Any]] = []
        self.renewed: Any = None

    def get_input(self) -> Any:
        return self.given

    def call_activity_with_retry(self, name: str, options: Any, given: Any) -> Any:
        self.calls.append((name, msgspec.convert(given, Pass)))
        return given

    def continue_as_new(self, given: Any) -> None:
        self.renewed = given


def drive(context: Context, pages: int) -> Any:
    """Run it as long as the tables have so many more pages; its output."""
    steps = orchestrator.run(context)
    given = next(steps)
    try:
        for number in range(pages, -1, -1):
            done = msgspec.convert(given, Pass)
            counts = {"delivery": done.counts.get("delivery", 0) + 1}
            stage = done.stage if number > 1 else retention.ENDED
            given = steps.send(msgspec.to_builtins(msgspec.structs.replace(done, counts=counts, stage=stage)))
    except StopIteration as end:
        return end.value
    raise AssertionError("it goes on")


def test_the_orchestrators_clock_says_what_is_old():
    context = Context(msgspec.to_builtins(Kept(days=90, content_days=7)))
    output = drive(context, 3)
    assert output == {
        "endedBefore": "2025-12-01T00:00:00Z",
        "contentBefore": "2026-02-22T00:00:00Z",
        "removed": {"delivery": 3},
    }
    assert [name for name, _ in context.calls] == ["remove_old"] * 3
    assert {(done.before, done.content_before) for _, done in context.calls} == {
        (datetime(2025, 12, 1, tzinfo=timezone.utc), datetime(2026, 2, 22, tzinfo=timezone.utc))
    }


def test_a_long_pass_goes_on_in_a_new_history():
    context = Context(msgspec.to_builtins(Kept(days=90, content_days=None)))
    assert drive(context, orchestrator.PAGES + 10) is None
    later = Context(context.renewed)
    later.current_utc_datetime = datetime(2027, 1, 1, tzinfo=timezone.utc)
    output = drive(later, 10)
    assert output["removed"] == {"delivery": orchestrator.PAGES + 10}
    # What is old was settled when the pass began.
    assert output["endedBefore"] == "2025-12-01T00:00:00Z"


class Client:
    """A durable client with one instance, or none."""

    def __init__(self, runtime: str | None) -> None:
        self.runtime, self.did = runtime, []

    async def get_status(self, instance: str) -> Any:
        found = self.runtime and InstanceStatus(self.runtime, {})
        return found and SimpleNamespace(runtime_status=found.runtime, custom_status=None, output=None)

    async def purge_instance_history(self, instance: str) -> None:
        self.runtime = None
        self.did.append("purge")

    async def start_new(self, name: str, instance_id: str, client_input: Any) -> None:
        self.runtime = "Running"
        self.did.append((name, instance_id, client_input))


@pytest.mark.parametrize(
    ("days", "content_days", "runtime", "begins"),
    [
        (90, None, None, True),
        (None, 7, None, True),
        (90, None, "Completed", True),
        (90, None, "Failed", True),
        (90, None, "Running", False),
        (90, None, "Suspended", False),
        (None, None, None, False),
        (None, None, "Completed", False),
    ],
)
async def test_a_night_begins_one_pass(monkeypatch, days, content_days, runtime, begins):
    kept = RetentionSettings(days=days, content_days=content_days)
    monkeypatch.setattr(trigger, "settings", lambda: SimpleNamespace(retention=kept))
    client = Client(runtime)
    await trigger.begin_pass(client)
    started = ("retention", "retention", {"days": days, "content_days": content_days})
    assert client.did == ([*(["purge"] if runtime else []), started] if begins else [])
