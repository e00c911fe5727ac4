"""Each rule of the protocol between host and SDK, on the real SDK and a real state file."""

from __future__ import annotations

import pytest

from local.host import jsontext
from local.host.commands import Status
from local.host.settings import HostSettings
from tests.unit.host.orchestrators import SWITCH, app
from tests.unit.host.world import World

# The SDK warns of events that nobody waits for yet.
pytestmark = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")


def test_a_chain_leaves_the_history_that_the_real_engine_leaves(world: World) -> None:
    world.start("chain", value=2)
    world.settle()
    assert world.output() == 2
    assert world.kinds() == [12, 0, 4, 13, 12, 5, 4, 13, 12, 5, 1, 13]
    played = {e["EventType"] for e in world.events() if e["IsPlayed"]}
    assert played == {0, 5}
    assert [e["EventId"] for e in world.events() if e["EventType"] in (4, 1)] == [0, 1, 2]


def test_results_that_wait_come_in_one_batch(world: World) -> None:
    world.start("fan", value=3)
    world.turns()
    for _ in range(3):
        world.workers.run(-1)
    world.turns()
    assert world.output() == [1, 2, 3]
    assert world.kinds() == [12, 0, 4, 4, 4, 13, 12, 5, 5, 5, 1, 13]


def test_an_activity_that_fails_fails_the_orchestration(world: World) -> None:
    world.start("fails")
    world.settle()
    assert world.get().status is Status.FAILED
    output = world.output()
    assert output.startswith(
        "Orchestrator function 'fails' failed: Activity function 'boom' failed:  ValueError: boom 1 \n {"
    )
    (failed,) = [e for e in world.events() if e["EventType"] == 6]
    assert failed["Reason"] == "Activity function 'boom' failed:  ValueError: boom 1"
    assert jsontext.loads(failed["Details"])["Message"] == " ValueError: boom 1"


def test_retries_are_timers_and_new_numbers(world: World) -> None:
    SWITCH["fails"] = 2
    world.start("retries")
    world.settle()
    world.pass_time(5)
    world.pass_time(5)
    assert world.output() == "at last"
    assert [(e["EventType"], e["EventId"]) for e in world.events() if e["EventType"] in (4, 10)] == [
        (4, 0),
        (10, 1),
        (4, 2),
        (10, 3),
        (4, 4),
    ]


def test_after_the_last_failure_a_timer_fires_at_once(world: World) -> None:
    SWITCH["fails"] = 9
    world.start("retries")
    world.settle()
    world.pass_time(5)
    world.pass_time(5)
    assert world.get().status is Status.FAILED
    assert "ValueError: not yet" in world.output()
    assert len(world.workers.ran) == 3
    timers = [e for e in world.events() if e["EventType"] == 10]
    assert len(timers) == 3


def test_a_retried_child_gets_a_new_id(world: World) -> None:
    SWITCH["fails"] = 1
    world.start("sub_retries")
    world.settle()
    world.pass_time(5)
    assert world.output() == "at last"
    execution = world.get().execution
    created = [e["InstanceId"] for e in world.events() if e["EventType"] == 7]
    assert created == [f"{execution}:0", f"{execution}:2"]


def test_a_timer_moves_the_orchestrators_clock(world: World) -> None:
    world.start("sleeps", value=90)
    world.settle()
    world.pass_time(89)
    assert world.get().status is Status.RUNNING
    world.pass_time(2)
    assert world.output() == "2030-01-01T00:01:31+00:00"


def test_a_long_timer_is_split(world: World) -> None:
    world.start("sleeps", value=10 * 86400)
    world.settle()
    for _ in range(4):
        world.pass_time(3 * 86400)
    assert world.get().status is Status.COMPLETED
    assert [e["EventType"] for e in world.events()].count(10) == 3


def test_a_cancelled_timer_does_not_hold_the_end(world: World) -> None:
    world.start("races")
    world.settle()
    world.client.raise_event("i", "go", "7")
    world.settle()
    assert world.output() == 7


def test_an_open_timer_holds_the_end(world: World) -> None:
    world.start("races", value="leave it")
    world.settle()
    world.client.raise_event("i", "go", "7")
    world.settle()
    assert world.get().status is Status.RUNNING
    world.pass_time(61)
    assert world.output() == 7


@pytest.mark.parametrize("stopped", [True, False])
def test_compounds_nest(world: World, stopped: bool) -> None:
    world.start("nested")
    world.turns()
    if stopped:
        world.client.raise_event("i", "stop", "null")
        world.turns()
        assert world.get().status is Status.RUNNING, "activities in flight hold the end"
    world.settle()
    assert world.output() == ("stopped" if stopped else [2, 3])


def test_an_event_before_its_instance_has_run_is_kept(world: World) -> None:
    world.start("waits")
    world.client.raise_event("i", "go", '"early"')
    world.settle()
    assert world.output() == "early"
    assert world.kinds() == [12, 0, 15, 1, 13]


def test_event_names_keep_their_case_for_the_sdk(world: World) -> None:
    world.start("waits", value="Go")
    world.settle()
    world.client.raise_event("i", "gO", "1")
    world.settle()
    assert world.get().status is Status.RUNNING
    world.client.raise_event("i", "Go", "2")
    world.settle()
    assert world.output() == 2


def test_continue_as_new_begins_a_fresh_history(world: World) -> None:
    world.start("counts")
    first = world.get().execution
    world.settle()
    assert world.output() == 2
    assert world.get().execution != first
    assert world.kinds() == [12, 0, 13, 4, 13, 12, 5, 1, 13]
    begun = next(e for e in world.events() if e["EventType"] == 0)
    assert (begun["Input"], begun["Generation"], begun["IsPlayed"]) == ('"2"', None, True)


def test_an_event_after_the_renewal_in_one_batch_goes_along(world: World) -> None:
    world.start("renews_on_event")
    world.settle()
    world.client.raise_event("i", "renew", "null")
    world.client.raise_event("i", "go", '"along"')
    world.settle()
    assert world.output() == "along"


def test_an_event_before_the_renewal_is_lost(world: World) -> None:
    world.start("renews_on_event")
    world.settle()
    world.client.raise_event("i", "go", '"lost"')
    world.client.raise_event("i", "renew", "null")
    world.settle()
    assert world.get().status is Status.RUNNING
    world.client.raise_event("i", "go", '"second"')
    world.settle()
    assert world.output() == "second"


@pytest.mark.parametrize("child", [None, "my-child", ""])
def test_children(world: World, child: str | None) -> None:
    world.start("parent", value=child)
    world.settle()
    assert world.output() == 2
    child_id = child or f"{world.get().execution}:0"
    assert world.get(child_id).parent_id == "i"
    assert next(e for e in world.events(child_id) if e["EventType"] == 0)["ParentInstance"]["TaskScheduleId"] == 0


def test_a_child_that_fails_is_told_to_its_parent(world: World) -> None:
    world.start("parent_of_failure")
    world.settle()
    assert world.output().startswith("Orchestrator function 'fails' failed: Activity function 'boom' failed:")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("activity", "other", "number 0 named 'add_one', but the current orchestration replay instead scheduled an activity task named 'boom'"),
        ("activity", "timer", "number 0 named 'add_one', but the current orchestration replay instead produced a CreateTimerOrchestratorAction"),
        ("activity", "none", "ID 0 and name 'add_one' (version ''), but the current replay execution hasn't (yet?) scheduled this task"),
        ("timer", "none", "a timer task with sequence number 0 but the current replay"),
        ("timer", "activity", "a timer task with sequence number 0 but the current orchestration replay instead produced a ScheduleTask"),
        ("child", "none", "a sub-orchestration task with sequence ID 0 and name 'chain'"),
        ("child", "other child", "instead scheduled a sub-orchestration task with name 'counts'"),
        ("child", "timer", "instead scheduled a CreateTimerOrchestratorAction task"),
        ("entity", "none", "a send event task with sequence ID 0"),
        ("entity", "activity", "instead scheduled a ScheduleTaskOrchestratorAction task"),
    ],
)  # fmt: skip
def test_an_orchestrator_that_changes_its_mind_fails(world: World, before: str, after: str, told: str) -> None:
    SWITCH["kind"] = before
    world.start("changes")
    world.settle()
    SWITCH["kind"] = after
    world.client.raise_event("i", "go", "null")
    world.settle()
    assert world.get().status is Status.FAILED
    assert world.output().startswith("Non-Deterministic workflow detected: A previous execution of this orchestration")
    assert told in world.output()


def test_custom_status(world: World) -> None:
    world.start("status")
    world.settle()
    assert world.get().custom_status == '{"step":1}'
    world.client.raise_event("i", "one", "null")
    world.settle()
    assert world.get().custom_status == '"two"'


@pytest.mark.parametrize("name", ["unknown_activity", "unknown_entity", "unknown_child", "odd_child"])
def test_what_is_not_there_hangs_and_is_said(world: World, name: str) -> None:
    world.start(name)
    world.settle()
    assert world.get().status is Status.RUNNING
    assert world.kinds() == [12, 0, 13]
    assert any("will wait for it for ever" in line for line in world.log.said)


def test_an_unknown_orchestrator_fails(world: World) -> None:
    world.start("nosuch")
    world.settle()
    assert world.output().startswith(
        "Orchestrator function 'nosuch' failed: The function 'nosuch' doesn't exist, is disabled, or is not an "
        "orchestrator function. Additional info: The following are the known orchestrator functions: "
    )


def test_an_orchestrator_that_is_no_generator_and_raises(world: World) -> None:
    world.start("plain")
    world.settle()
    text = "Orchestrator function 'plain' failed: One or more errors occurred. (Result: Failure\nException: ValueError"
    assert world.output().startswith(text)


def test_names_ignore_letter_case(world: World) -> None:
    world.start("CHAIN", value=1)
    world.settle()
    assert world.output() == 1
    assert world.get().name == "CHAIN"


@pytest.mark.parametrize(
    ("default", "version", "runs"),
    [
        (None, None, True),
        (None, "", True),
        (None, "1.0", False),
        ("2.0", "1.5", True),
        ("2.0", "2.0", True),
        ("2.0", "2.1", False),
        ("2.0", None, True),
    ],
)
def test_versions(worlds, default: str | None, version: str | None, runs: bool) -> None:
    world = worlds(app, HostSettings(default_version=default))
    world.start("chain", value=1, version=version)
    world.settle()
    assert world.get().status is (Status.COMPLETED if runs else Status.PENDING)
    if version is None and default:
        assert world.events()[1]["Version"] == default


def test_after_a_kill_everything_goes_on(worlds) -> None:
    world = worlds(app)
    world.start("chain", "c", 3)
    world.start("sleeps", "s", 30)
    world.start("counts", "n")
    world.turns()
    world.workers.run()
    again = worlds(app)
    again.settle()
    again.pass_time(60)
    assert (again.output("c"), again.output("n")) == (3, 2)
    assert again.get("s").status is Status.COMPLETED


def test_a_batch_that_takes_long_gives_the_rest_back(world: World, monkeypatch) -> None:
    from local.host import turn_runner

    monkeypatch.setattr(turn_runner, "BATCH_SECONDS", -1)
    for number in range(5):
        world.start("chain", f"i{number}", 2)
    world.settle()
    assert [world.output(f"i{n}") for n in range(5)] == [2] * 5


def test_a_turn_that_breaks_inside_the_host_spoils_no_other(world: World, monkeypatch) -> None:
    run = world.orchestrations._run

    def broken(kept, messages):
        if kept.instance.id == "bad":
            raise RuntimeError("a bug of ours")
        return run(kept, messages)

    monkeypatch.setattr(world.orchestrations, "_run", broken)
    for name in ("a", "bad", "b"):
        world.start("chain", name, 1)
    world.settle()
    assert (world.output("a"), world.output("b")) == (1, 1)
    assert any("the turn of bad broke inside the host" in line for line in world.log.said)
    monkeypatch.undo()
    world.engine.wake(["bad"])
    world.settle()
    assert world.output("bad") == 1
