"""Orchestrators kept between turns end exactly as replayed ones, and are replayed whenever that is the safe thing."""

from __future__ import annotations

from typing import Any

import pytest

from local.host import turns
from local.host.commands import Status
from tests.unit.host.orchestrators import SWITCH, app
from tests.unit.host.world import World

pytestmark = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")
LONG = 40


def story(world: World, instance_id: str = "i") -> list[Any]:
    """Everything of a history that does not differ from run to run."""
    names: dict[str, str] = {}

    def stable(value: Any) -> Any:
        if isinstance(value, str) and len(value) > 30:
            return names.setdefault(value, f"#{len(names)}") if "-" in value and "{" not in value else "text"
        return value

    kept = ("EventType", "EventId", "IsPlayed", "TaskScheduledId", "TimerId", "Name", "Result", "OrchestrationStatus")
    return [tuple(stable(event.get(key)) for key in kept) for event in world.events(instance_id)]


def run(world: World, name: str, value: Any) -> list[Any]:
    world.start(name, value=value)
    world.settle()
    if world.get().status is Status.RUNNING:
        world.client.raise_event("i", "finish", '"done"')
        world.settle()
    return [world.output(), world.get().custom_status, story(world)]


@pytest.mark.parametrize(("name", "value"), [("chain", LONG), ("many_calls", LONG), ("fan", LONG), ("chain", 3)])
def test_kept_or_replayed_the_story_is_the_same(worlds, monkeypatch, name: str, value: int) -> None:
    monkeypatch.setattr(turns, "REPLAY_ALWAYS_BELOW", 10_000)
    replayed = run(worlds(app), name, value)
    world = worlds(app)
    world.client.queries.purge("i")
    world.client.queries.purge("@counter@k")
    monkeypatch.setattr(turns, "REPLAY_ALWAYS_BELOW", 2)
    assert run(world, name, value) == replayed


def count_of_replays(world: World, monkeypatch) -> list[int]:
    lengths: list[int] = []
    replay = world.orchestrations._calls.replay

    def counted(instance, trigger, *, keep):
        lengths.append(len(trigger))
        return replay(instance, trigger, keep=keep)

    monkeypatch.setattr(world.orchestrations._calls, "replay", counted)
    return lengths


def test_a_long_chain_is_replayed_only_when_it_has_doubled(worlds, monkeypatch) -> None:
    world = worlds(app)
    lengths = count_of_replays(world, monkeypatch)
    world.start("chain", value=200)
    world.settle()
    assert world.output() == 200
    assert len(lengths) < turns.REPLAY_ALWAYS_BELOW + 8


def test_an_orchestrator_with_timers_is_always_replayed(worlds, monkeypatch) -> None:
    monkeypatch.setattr(turns, "REPLAY_ALWAYS_BELOW", 0)
    world = worlds(app)
    lengths = count_of_replays(world, monkeypatch)
    world.start("races")
    world.settle()
    world.client.raise_event("i", "nothing", "1")
    world.settle()
    world.client.raise_event("i", "go", "2")
    world.settle()
    assert (world.output(), len(lengths)) == (2, 3)


@pytest.mark.parametrize("meddle", ["suspend", "terminate", "purge", "restart_host", "new_code"])
def test_what_comes_between_turns_is_seen(worlds, monkeypatch, meddle: str) -> None:
    monkeypatch.setattr(turns, "REPLAY_ALWAYS_BELOW", 2)
    world = worlds(app)
    world.start("chain", value=20)
    world.turns()
    for _ in range(6):
        world.workers.run()
        world.turns()
    if meddle == "suspend":
        world.client.suspend("i", None)
        world.settle()
        assert world.get().status is Status.SUSPENDED
        world.client.resume("i", None)
    elif meddle == "terminate":
        world.client.terminate("i", "stop")
        world.settle()
        assert world.output() == "stop"
        return
    elif meddle == "purge":
        world.client.queries.purge("i")
        world.start("chain", value=4)
        world.settle()
        assert world.output() == 4
        return
    elif meddle == "restart_host":
        world = worlds(app)
    elif meddle == "new_code":
        world.engine.forget_replays()
    world.settle()
    assert world.output() == 20


def test_an_orchestrator_that_changes_its_mind_late_fails(worlds, monkeypatch) -> None:
    monkeypatch.setattr(turns, "REPLAY_ALWAYS_BELOW", 0)
    SWITCH["kind"] = "activity"
    world = worlds(app)
    world.start("changes")
    world.settle()
    SWITCH["kind"] = "timer"
    world.client.raise_event("i", "go", "null")
    world.settle()
    SWITCH["kind"] = "activity"
    assert world.get().status is Status.FAILED
    assert "Non-Deterministic" in world.output()
