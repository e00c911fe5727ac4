"""Turns in two threads: what one thread leaves for the other, and what is taken again after a failure."""

from __future__ import annotations

import threading

import azure.durable_functions as df
import pytest

from local.host.commands import Status
from local.host.records import Batch
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
