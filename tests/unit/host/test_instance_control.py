"""What is done to instances from outside: terminate, suspend, restart, rewind, purge, on the real SDK."""

from __future__ import annotations

import pytest

from local.host.client import GoneError, NotFoundError, WrongStateError
from local.host.commands import Status
from local.host.store import InstanceExistsError
from tests.unit.host.orchestrators import SWITCH
from tests.unit.host.world import World

# The SDK warns of events that nobody waits for yet.
pytestmark = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")


def test_terminate(world: World) -> None:
    world.start("waits")
    world.settle()
    world.client.terminate("i", "enough")
    world.settle()
    assert (world.get().status, world.output()) == (Status.TERMINATED, "enough")
    assert world.kinds() == [12, 0, 13, 12, 3, 1, 13]
    with pytest.raises(GoneError):
        world.client.terminate("i", "again")


def test_terminated_while_pending_its_first_activity_still_runs(world: World) -> None:
    world.start("chain")
    world.client.terminate("i", "before it ran")
    world.settle()
    assert world.kinds() == [12, 0, 3, 4, 1, 13]
    assert world.workers.ran == ["add_one"]


def test_suspend_holds_events_back_and_resume_lets_them_go(world: World) -> None:
    world.start("waits")
    world.settle()
    world.client.suspend("i", "pause")
    world.settle()
    assert (world.get().status, world.get().output) == (Status.SUSPENDED, "pause")
    world.client.raise_event("i", "go", "1")
    world.settle()
    assert world.get().status is Status.SUSPENDED
    with pytest.raises(WrongStateError, match="because instance is in the Suspended state"):
        world.client.suspend("i", "twice")
    world.client.resume("i", "on")
    world.settle()
    assert world.output() == 1
    assert world.kinds() == [12, 0, 13, 12, 19, 13, 12, 15, 13, 12, 20, 1, 13]


def test_what_was_not_scheduled_before_a_suspend_is_scheduled_after_the_resume(world: World) -> None:
    world.start("chain", value=2)
    world.turns()
    world.workers.run()
    world.client.suspend("i", None)
    world.turns()
    assert not world.workers.waiting
    world.client.resume("i", None)
    world.settle()
    assert world.output() == 2


def test_an_id_that_runs_is_refused_and_one_that_ended_is_replaced(world: World) -> None:
    world.start("waits")
    with pytest.raises(InstanceExistsError, match="with the status Pending already exists"):
        world.start("chain")
    world.settle()
    with pytest.raises(InstanceExistsError, match="with the status Running already exists"):
        world.start("chain")
    world.client.terminate("i", None)
    world.settle()
    world.start("chain", value=1)
    world.settle()
    assert world.output() == 1


def test_restart(world: World) -> None:
    world.start("chain", value=2)
    world.settle()
    new = world.client.restart("i", new_id=True)
    assert new != "i"
    assert world.client.restart("i", new_id=False) == "i"
    world.settle()
    assert (world.output(new), world.output()) == (2, 2)
    with pytest.raises(NotFoundError):
        world.client.restart("nosuch", new_id=True)


def test_rewind_does_again_what_failed(world: World) -> None:
    SWITCH["fails"] = 1
    world.start("flaky_once")
    world.settle()
    assert world.get().status is Status.FAILED
    world.client.rewind("i", "mended")
    world.settle()
    assert world.output() == "at last"
    with pytest.raises(WrongStateError, match="This orchestration has status Completed"):
        world.client.rewind("i", None)


def test_rewind_reaches_the_children(world: World) -> None:
    SWITCH["fails"] = 1
    world.start("parent_of_flaky")
    world.settle()
    assert world.get().status is Status.FAILED
    world.client.rewind("i", None)
    world.settle()
    assert world.output() == "at last"


def test_an_activity_result_for_an_execution_that_is_gone_changes_nothing(world: World) -> None:
    world.start("chain", value=1)
    world.turns()
    world.client.terminate("i", None)
    world.turns()
    world.start("chain", value=1)
    world.settle()
    assert world.output() == 1


def test_purged_while_an_activity_runs(world: World) -> None:
    world.start("chain", value=1)
    world.turns()
    world.client.queries.purge("i")
    world.settle()
    assert world.client.get("i") is None
    assert world.database.rows("SELECT COUNT(*) FROM inbox") == [(0,)]
