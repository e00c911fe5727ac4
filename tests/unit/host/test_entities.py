"""Entities on the real SDK and a real state file: their calls, signals and batches."""

from __future__ import annotations

import pytest

from local.host import jsontext
from local.host.records import Message
from local.host.settings import HostSettings
from tests.unit.host.orchestrators import app
from tests.unit.host.world import World

# The SDK warns of events that nobody waits for yet.
pytestmark = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")


def test_entities(world: World) -> None:
    world.start("calls_entity")
    world.settle()
    assert world.output() == [5, 7]
    sent = [jsontext.loads(e["Input"]) for e in world.events() if e["EventType"] == 14]
    assert [s.get("signal") for s in sent] == [None, True, None]
    assert sent[0]["input"] == '"5"'
    raised = [e for e in world.events() if e["EventType"] == 15]
    assert raised[0]["Name"] == sent[0]["id"]
    assert jsontext.loads(raised[0]["Input"]) == {"result": "5"}
    assert world.client.queries.entity("@counter@k").state == "7"


def test_an_entity_operation_that_fails_keeps_its_state_and_tells_its_caller(world: World) -> None:
    world.start("entity_fails")
    world.settle()
    assert world.output() == "entity says why"
    assert world.client.queries.entity("@counter@k").state == "100"


def test_signals_are_run_in_order_in_one_batch(world: World) -> None:
    for number in ("1", "2", "3"):
        world.client.signal("@counter@k", "add", jsontext.dumps(number))
    world.settle()
    assert world.client.queries.entity("@counter@k").state == "6"
    world.client.signal("@counter@k", "delete", '""')
    world.settle()
    assert world.client.queries.entity("@counter@k") is None


def test_a_batch_has_a_limit(worlds) -> None:
    world = worlds(app, HostSettings(max_entity_batch=2))
    for _ in range(5):
        world.client.signal("@counter@k", "add", '"1"')
    world.settle()
    assert world.client.queries.entity("@counter@k").state == "5"
    assert sum("Functions.counter" in line for line in world.log.said) == 3


def test_a_long_backlog_is_not_compared_with_itself(worlds, monkeypatch) -> None:
    world = worlds(app)
    compared = []
    same = Message.__eq__
    monkeypatch.setattr(Message, "__eq__", lambda one, other: compared.append(1) or same(one, other))
    for _ in range(100):
        world.client.signal("@counter@k", "add", '"1"')
    world.settle()
    assert world.client.queries.entity("@counter@k").state == "100"
    assert not compared
