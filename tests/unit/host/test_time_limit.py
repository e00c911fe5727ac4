"""functionTimeout of host.json for what runs in threads: sync activities, orchestrators, entities."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import azure.durable_functions as df
import pytest

from local.host import jsontext
from local.host.activities import ActivityWorkers
from local.host.commands import Status
from local.host.failures import span_text
from local.host.outputs import Outputs
from local.host.settings import HostSettings
from tests.unit.host.world import World

SECONDS = 20
LET_GO = threading.Event()
app = df.DFApp()


@app.activity_trigger(input_name="value")
def stays(value):
    assert LET_GO.wait(SECONDS)
    return "late"


@app.activity_trigger(input_name="value")
def same(value):
    return value


@app.activity_trigger(input_name="value")
def unusable(value):
    return {1, 2}


@app.orchestration_trigger(context_name="context")
def calls(context):
    try:
        result = yield context.call_activity(context.get_input(), 7)
    except Exception as error:
        return str(error)
    return result


@pytest.fixture
def world(worlds) -> World:
    LET_GO.clear()
    return worlds(app, HostSettings(max_activities=1))


@pytest.fixture
def workers(world: World):
    """Activities in their real threads."""
    loop = asyncio.new_event_loop()
    made = ActivityWorkers(world.services, Outputs(world.log), loop, world.engine.post_result)
    world.engine.workers = made
    yield made
    LET_GO.set()
    loop.run_until_complete(made.close())
    loop.close()


def until(world: World, done: Callable[[], object]) -> None:
    """Run turns, and what the host does now and then, until something is so."""
    end = time.monotonic() + SECONDS
    while not done() and time.monotonic() < end:
        world.engine.relieve()
        world.turns()
        time.sleep(0.005)
    assert done(), world.log.said


def test_a_sync_activity_over_its_time_fails_and_its_late_result_counts_for_nothing(world: World, workers) -> None:
    invoker = world.services.invoker
    # Turns run in this thread, which looks for what is over its time only between them.
    invoker.timeout = 0.01
    world.start("calls", value="stays")
    until(world, lambda: world.get().status.is_final)
    told = (
        "Activity function 'stays' failed: Timeout value of 00:00:00.0100000 was exceeded by function: Functions.stays"
    )
    assert world.output().startswith(told)
    (failed,) = [event for event in world.events() if event["EventType"] == 6]
    assert jsontext.loads(failed["Details"])["ClassName"].endswith("FunctionTimeoutException")
    invoker.timeout = None
    # The one thread that is allowed is lost for now: another takes its place.
    world.start("calls", "next", "same")
    until(world, lambda: world.get("next").status.is_final)
    assert world.output("next") == 7
    LET_GO.set()
    until(world, lambda: any("result is dropped" in line and "at last" in line for line in world.log.said))
    assert world.engine.is_idle()
    assert [line.split(",")[0] for line in world.log.said if "Executed 'Functions.stays'" in line] == [
        "Executed 'Functions.stays' (Failed"
    ]
    assert sum("cannot end its thread" in line for line in world.log.said) == 1


def test_an_activity_that_returns_what_json_cannot_hold_has_failed_in_its_one_line(world: World, workers) -> None:
    world.start("calls", value="unusable")
    until(world, lambda: world.get().status is Status.COMPLETED)
    lines = [line for line in world.log.said if "Executed 'Functions.unusable'" in line]
    assert len(lines) == 1
    assert "(Failed" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "00:00:05"), (0.25, "00:00:00.2500000"), (3_725, "01:02:05"), (90_061, "1.01:01:01")],
)
def test_lengths_of_time_as_dotnet_writes_them(seconds: float, text: str) -> None:
    assert span_text(seconds) == text
