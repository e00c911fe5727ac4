"""Turns that keep their thread: what waits behind them goes on, nothing runs twice, nothing is left lying."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import azure.durable_functions as df
import pytest

from local.host import claim
from local.host.commands import Status
from local.host.settings import HostSettings
from tests.unit.host.world import World

SECONDS = 30
ENTERED, LET_GO = threading.Event(), threading.Event()
RUNS: Counter[str] = Counter()
app = df.DFApp()


def hold() -> None:
    ENTERED.set()
    assert LET_GO.wait(SECONDS)


@app.activity_trigger(input_name="value")
def same(value):
    return value


@app.orchestration_trigger(context_name="context")
def quick(context):
    return "done"
    yield


@app.orchestration_trigger(context_name="context")
def holds(context):
    """Keeps its thread on its first run."""
    RUNS[context.instance_id] += 1
    if RUNS[context.instance_id] == 1:
        hold()
    result = yield context.call_activity("same", 5)
    return result


@app.orchestration_trigger(context_name="context")
def holds_then(context):
    """Keeps its thread when its activity has ended."""
    result = yield context.call_activity("same", 5)
    RUNS[context.instance_id] += 1
    if RUNS[context.instance_id] == 1:
        hold()
    return result


@app.orchestration_trigger(context_name="context")
def one(context):
    result = yield context.call_activity("same", 5)
    return result


@app.orchestration_trigger(context_name="context")
def naps(context):
    """Five steps; in some it keeps its thread a while."""
    total = 0
    for number in range(5):
        if random.random() < 0.3:
            time.sleep(0.004)
        total += yield context.call_activity("same", number)
        context.signal_entity(df.EntityId("counter", "k"), "add", 1)
    yield context.call_entity(df.EntityId("counter", "k"), "add", 0)
    return total


@app.entity_trigger(context_name="context")
def counter(context):
    RUNS["counter"] += 1
    if context.operation_name == "hold" and RUNS["counter"] == 1:
        hold()
    state = context.get_state(lambda: 0) + (context.get_input() if context.operation_name == "add" else 100)
    context.set_state(state)
    context.set_result(state)


@pytest.fixture
def world(worlds, monkeypatch) -> World:
    ENTERED.clear()
    LET_GO.clear()
    RUNS.clear()
    monkeypatch.setattr(claim, "STUCK_SECONDS", 0.02)
    made = worlds(app, HostSettings(max_orchestrators=4))
    yield made
    LET_GO.set()
    made.engine.stop(SECONDS)


def until(world: World, done: Callable[[], object]) -> None:
    """Do what the host does now and then, until something is so."""
    end = time.monotonic() + SECONDS
    while not done() and time.monotonic() < end:
        world.engine.relieve()
        time.sleep(0.005)
    assert done(), world.log.said[-5:]


def is_final(world: World, *instance_ids: str) -> bool:
    return all(world.get(i).status.is_final for i in instance_ids)


@pytest.mark.parametrize("kind", ["holds", "@counter@k"])
def test_what_was_claimed_with_a_slow_turn_is_run_and_written_by_another_thread(world: World, kind: str) -> None:
    world.start("quick", "before")
    if kind == "holds":
        world.start(kind, "slow")
    else:
        world.services.store.send(kind, world.client._signal_event("hold", '""'))
        world.engine.wake([kind])
    world.start("quick", "after")
    world.engine.start()
    assert ENTERED.wait(SECONDS)
    until(world, lambda: is_final(world, "before", "after"))
    assert not LET_GO.is_set()
    LET_GO.set()
    if kind == "holds":
        until(world, lambda: world.workers.waiting)
        world.workers.run()
        until(world, lambda: is_final(world, "slow"))
        assert RUNS["slow"] == 2, "once to schedule its activity, once to end"
    else:
        until(world, lambda: world.client.queries.entity(kind) is not None)
        assert world.client.queries.entity(kind).state == "100"
    assert world.kinds("before") == world.kinds("after") == [12, 0, 1, 13]


def test_results_that_came_with_a_slow_turn_are_delivered_once(world: World) -> None:
    for name, instance_id in (("one", "before"), ("holds_then", "slow"), ("one", "after")):
        world.start(name, instance_id)
    world.turns()
    for _ in range(3):
        world.workers.run()
    world.engine.start()
    assert ENTERED.wait(SECONDS)
    until(world, lambda: is_final(world, "before", "after"))
    left = world.services.store.tasks()
    assert [task.instance for task in left] == ["slow"], "it would be run again after a kill"
    LET_GO.set()
    until(world, lambda: is_final(world, "slow"))
    for instance_id in ("before", "slow", "after"):
        assert world.output(instance_id) == 5
        assert world.kinds(instance_id).count(5) == 1
    assert world.services.store.tasks() == []


@pytest.mark.parametrize("name", ["holds", "holds_then"])
def test_a_turn_over_its_time_counts_for_nothing_and_is_run_again(world: World, name: str) -> None:
    world.start(name, "slow")
    world.services.invoker.timeout = 0.01
    if name == "holds_then":
        world.turns()
        world.workers.run()
    world.engine.start()
    assert ENTERED.wait(SECONDS)
    until(world, lambda: any(f"'Functions.{name}' (Id" in line for line in world.log.said))
    world.services.invoker.timeout = None
    assert world.get("slow").status is not Status.COMPLETED
    LET_GO.set()
    if name == "holds":
        until(world, lambda: world.workers.waiting)
        world.workers.run()
    until(world, lambda: is_final(world, "slow"))
    assert world.output("slow") == 5
    assert world.kinds("slow") == [12, 0, 4, 13, 12, 5, 1, 13]
    assert any("Then the turn is run again" in line for line in world.log.said)


def test_an_entity_over_its_time_keeps_its_state_and_runs_its_operations_again(world: World) -> None:
    world.client.signal("@counter@k", "hold", '""')
    world.services.invoker.timeout = 0.01
    world.engine.start()
    assert ENTERED.wait(SECONDS)
    until(world, lambda: any("'Functions.counter' (Id" in line for line in world.log.said))
    world.services.invoker.timeout = None
    LET_GO.set()
    until(world, lambda: world.client.queries.entity("@counter@k") is not None)
    assert (RUNS["counter"], world.client.queries.entity("@counter@k").state) == (2, "100")


def test_threads_that_are_over_their_time_are_not_counted(world: World) -> None:
    for number in range(4):
        world.start("holds", f"slow-{number}")
    world.services.invoker.timeout = 0.05
    world.engine.start()
    until(world, lambda: sum(RUNS[f"slow-{n}"] for n in range(4)) == 4)
    world.start("quick", "last")
    until(world, lambda: is_final(world, "last"))


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_an_instance_that_is_removed_in_the_middle_of_its_turn_leaves_nothing(
    world: World, is_replaced: bool
) -> None:
    world.start("holds", "slow")
    world.engine.start()
    assert ENTERED.wait(SECONDS)
    assert await world.client.clear() == 1
    if is_replaced:
        world.start("quick", "slow")
    LET_GO.set()
    until(world, world.engine.is_idle)
    for table in ("tasks", "inbox", "timers"):
        assert world.database.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    if is_replaced:
        assert world.output("slow") == "done"
        assert world.kinds("slow") == [12, 0, 1, 13]
    else:
        assert world.database.rows("SELECT COUNT(*) FROM history") == [(0,)]


@pytest.mark.parametrize("seed", range(3))
def test_many_slow_turns_in_many_threads_lose_nothing_and_do_nothing_twice(world, monkeypatch, seed: int) -> None:
    random.seed(seed)
    monkeypatch.setattr(claim, "STUCK_SECONDS", 0.001)
    world.engine.start()
    names = [f"i{number}" for number in range(25)]
    for name in names:
        world.start("naps", name)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not is_final(world, *names):
        world.engine.relieve()
        while world.workers.waiting:
            world.workers.run()
        time.sleep(0.001)
    assert [world.output(name) for name in names] == [10] * 25
    until(world, lambda: world.client.queries.entity("@counter@k").state == "125")
    until(world, world.engine.is_idle)
    for table in ("inbox", "tasks"):
        assert world.database.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    assert all(world.kinds(name).count(5) == 5 for name in names)
    assert not any("broke inside the host" in line for line in world.log.said)


def test_a_batch_of_an_entity_reads_no_more_of_its_backlog_than_it_takes(worlds, monkeypatch) -> None:
    world = worlds(app, HostSettings(max_entity_batch=3))
    for _ in range(20):
        world.client.signal("@counter@k", "add", '"1"')
    store, read = world.services.store, []
    waiting_for = store.waiting_for

    def spy(*arguments):
        heads, messages = waiting_for(*arguments)
        read.append(sum(map(len, messages.values())))
        return heads, messages

    monkeypatch.setattr(store, "waiting_for", spy)
    world.settle()
    assert world.client.queries.entity("@counter@k").state == "20"
    assert max(read) == 4
    assert world.database.rows("SELECT COUNT(*) FROM inbox") == [(0,)]


def test_a_backlog_for_an_entity_that_is_not_there_is_dropped_to_the_end(worlds) -> None:
    world = worlds(app, HostSettings(max_entity_batch=3))
    for _ in range(20):
        world.client.signal("@nosuch@k", "add", '"1"')
    world.settle()
    assert world.database.rows("SELECT COUNT(*) FROM inbox") == [(0,)]
