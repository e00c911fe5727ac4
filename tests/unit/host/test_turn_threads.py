"""Turns in two threads: what one thread leaves for the other, and what is taken again after a failure."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable

import azure.durable_functions as df
import pytest

from local.host.commands import Status
from local.host.records import Batch
from local.host.turns import REPLAY_ALWAYS_BELOW
from tests.unit.host.world import World

SECONDS = 10
ENTERED, LET_GO = threading.Event(), threading.Event()
app = df.DFApp()


@app.activity_trigger(input_name="value")
def same(value):
    return value


@app.orchestration_trigger(context_name="context")
def one_then_the_other(context):
    """After its first activity it holds its thread until a test lets it go."""
    first, second = context.call_activity("same", 1), context.call_activity("same", 2)
    yield context.task_any([first, second])
    if not context.is_replaying:
        ENTERED.set()
        assert LET_GO.wait(SECONDS)
    result = yield second
    return result


@app.orchestration_trigger(context_name="context")
def adds(context):
    result = yield context.call_activity("same", 5)
    return result


@app.orchestration_trigger(context_name="context")
def exits(context):
    yield context.call_activity("same", 5)
    sys.exit(3)


@app.orchestration_trigger(context_name="context")
def exits_late(context):
    for number in range(REPLAY_ALWAYS_BELOW + 3):
        yield context.call_activity("same", number)
    raise KeyboardInterrupt


@app.orchestration_trigger(context_name="context")
def calls_what_exits(context):
    try:
        yield context.call_entity(df.EntityId("stops", "k"), "go")
    except Exception as error:
        return str(error)


@app.entity_trigger(context_name="context")
def stops(context):
    sys.exit(4)


@pytest.fixture
def world(worlds) -> World:
    ENTERED.clear()
    LET_GO.clear()
    return worlds(app)


def twice(world: World) -> None:
    world.engine.step()
    world.engine.step()


def hold(world: World) -> threading.Thread:
    """Another thread that is in the middle of the instance's turn, and then looks once more for what has come."""
    world.start("one_then_the_other")
    world.turns()
    world.workers.run()
    other = threading.Thread(target=twice, args=(world,), daemon=True)
    other.start()
    assert ENTERED.wait(SECONDS)
    world.workers.run()
    return other


def test_a_result_that_is_written_after_the_other_thread_has_looked_wakes_its_instance(world: World, monkeypatch):
    other = hold(world)
    commit = world.services.store.commit

    def late(batch: Batch) -> list[str]:
        if threading.current_thread() is not other:
            LET_GO.set()
            other.join(SECONDS)
        return commit(batch)

    monkeypatch.setattr(world.services.store, "commit", late)
    world.engine.step()
    world.turns()
    assert world.output() == 2


def test_a_result_that_is_written_after_a_broken_batch_wakes_its_instance(world: World, monkeypatch):
    other = hold(world)
    commit, tries = world.services.store.commit, []

    def late(batch: Batch) -> list[str]:
        if threading.current_thread() is not other:
            tries.append(batch)
            if len(tries) == 1:
                raise RuntimeError("a bug of ours")
            LET_GO.set()
            other.join(SECONDS)
        return commit(batch)

    monkeypatch.setattr(world.services.store, "commit", late)
    world.engine.step()
    world.turns()
    assert world.get().status is Status.COMPLETED


@pytest.mark.parametrize(("name", "told"), [("exits", "SystemExit: 3"), ("exits_late", "KeyboardInterrupt: ")])
def test_an_orchestrator_that_exits_fails_alone(world: World, name: str, told: str) -> None:
    for instance_id in ("a", "b"):
        world.start("adds", instance_id)
    world.start(name)
    world.settle()
    assert (world.output("a"), world.output("b")) == (5, 5)
    assert world.get().status is Status.FAILED
    assert told in world.output()
    assert any(told in line for line in world.log.said)
    assert not world.engine._busy


def test_an_entity_that_exits_fails_its_caller(world: World) -> None:
    world.start("calls_what_exits")
    world.settle()
    assert world.output() == "SystemExit: 4"


def fails_once(monkeypatch, where: object, name: str, error: BaseException) -> None:
    real, failed = getattr(where, name), []

    def call(*arguments):
        if not failed:
            failed.append(1)
            raise error
        return real(*arguments)

    monkeypatch.setattr(where, name, call)


FULL = sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("error", [FULL, SystemExit(1), RuntimeError("a bug of ours")], ids=repr)
def test_the_thread_outlives_a_commit_that_fails_and_takes_all_of_it_again(world: World, monkeypatch, error):
    world.start("adds", "a")
    world.turns()
    world.workers.run()
    world.start("adds", "b")
    fails_once(monkeypatch, world.services.store, "commit", error)
    threaded(world, lambda: world.get("a").status.is_final and world.workers.waiting)
    assert world.output("a") == 5
    assert world.kinds("a").count(5) == 1
    assert any("broke inside the host" in line for line in world.log.said)
    world.settle()
    assert world.output("b") == 5


def test_the_thread_outlives_timers_that_cannot_be_fired(world: World, monkeypatch) -> None:
    world.start("adds")
    with world.database.transaction() as run:
        run("INSERT INTO timers (due, instance, execution, number) VALUES (1, 'i', 'gone', 0)")
    fails_once(monkeypatch, world.services.store, "fire_timers", FULL)
    threaded(world, lambda: world.workers.waiting and world.engine.next_due() is None)
    world.settle()
    assert world.output() == 5
    assert any("database or disk is full" in line for line in world.log.said)


def test_results_that_were_written_are_not_delivered_twice(world: World, monkeypatch) -> None:
    world.start("adds")
    world.turns()
    world.workers.run()
    fails_once(monkeypatch, world.engine, "_after", RuntimeError("a bug of ours"))
    world.turns()
    assert world.output() == 5
    assert world.database.rows("SELECT COUNT(*) FROM inbox") == [(0,)]


def threaded(world: World, done: Callable[[], object]) -> None:
    """Run the engine's own thread until something is so."""
    world.engine.start()
    end = time.monotonic() + SECONDS
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    world.engine.stop(SECONDS)
    assert done()
