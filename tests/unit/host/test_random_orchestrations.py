"""Random orchestrations under random kills, against a plain model in Python.

A plan is a small program of steps. The orchestrator interprets it with the SDK; `expected` computes what it must return
from the same plan. A rule machine starts plans, runs turns and activities in any order, moves the clock, raises events,
suspends and resumes, and kills the host at any moment: a new one opens the same file.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from local.host.commands import Status
from tests.unit.host.world import World

app = df.DFApp()
Plan = list[Any]


@app.activity_trigger(input_name="value")
def double(value):
    return value * 2


@app.activity_trigger(input_name="value")
def refuse(value):
    raise ValueError(f"refused {value}")


@app.entity_trigger(context_name="context")
def tally(context):
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)


@app.orchestration_trigger(context_name="context")
def program(context):
    result = yield from interpret(context, context.get_input())
    return result


def interpret(context, plan):  # noqa: C901 - one branch a step
    seen = []
    for step, value in plan:
        if step == "activity":
            seen.append((yield context.call_activity("double", value)))
        elif step == "failure":
            try:
                yield context.call_activity("refuse", value)
            except Exception as error:
                seen.append(f"refused {value}" in str(error))
        elif step == "fan":
            seen.append((yield context.task_all([context.call_activity("double", n) for n in range(value)])))
        elif step == "sleep":
            yield context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=value))
            seen.append("slept")
        elif step == "event":
            seen.append((yield context.wait_for_external_event(f"e{value}")))
        elif step == "race":
            event = context.wait_for_external_event(f"never{value}")
            timer = context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=value))
            winner = yield context.task_any([event, timer])
            seen.append("timer" if winner == timer else "event")
        elif step == "entity":
            entity = df.EntityId("tally", context.instance_id)
            seen.append((yield context.call_entity(entity, "add", value)))
        elif step == "child":
            seen.append((yield context.call_sub_orchestrator("program", value)))
    return seen


def expected(plan: Plan) -> list[Any]:
    seen: list[Any] = []
    total = 0
    for step, value in plan:
        if step == "activity":
            seen.append(value * 2)
        elif step == "failure":
            seen.append(True)
        elif step == "fan":
            seen.append([n * 2 for n in range(value)])
        elif step == "sleep":
            seen.append("slept")
        elif step == "event":
            seen.append(value)
        elif step == "race":
            seen.append("timer")
        elif step == "entity":
            total += value
            seen.append(total)
        elif step == "child":
            seen.append(expected(value))
    return seen


def events_of(plan: Plan) -> list[int]:
    """Names of the events that a plan waits for, each of them once."""
    return [value for step, value in plan if step == "event"]


small = st.integers(1, 5)
simple = st.one_of(
    st.tuples(st.sampled_from(["activity", "failure", "fan", "sleep", "race", "entity"]), small),
)
child = st.tuples(st.just("child"), st.lists(simple, max_size=3).map(lambda plan: [list(step) for step in plan]))
plans = st.lists(st.one_of(simple, simple, child), min_size=1, max_size=6).map(
    lambda plan: [list(step) for step in plan]
)


class Hosts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.world = World(self.folder, app)
        self.plans: dict[str, Plan] = {}
        self.unsent: dict[str, list[int]] = {}
        self.terminated: set[str] = set()

    def teardown(self) -> None:
        self.finish()
        self.world.close()
        shutil.rmtree(self.folder)

    @rule(plan=plans, waits=st.integers(0, 2))
    def start(self, plan: Plan, waits: int) -> None:
        plan = plan + [["event", number] for number in range(waits)]
        name = f"p{len(self.plans)}"
        self.plans[name] = plan
        self.unsent[name] = events_of(plan)
        self.world.start("program", name, plan)

    @rule()
    def one_step(self) -> None:
        self.world.engine.step()

    @rule()
    def turns(self) -> None:
        self.world.turns()

    @precondition(lambda self: self.world.workers.waiting)
    @rule(data=st.data())
    def an_activity_ends(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.world.workers.waiting) - 1))
        self.world.workers.run(index)

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.freeze(self.world.clock.micros() + seconds * 1_000_000)
        self.world.engine.timers_changed()

    @precondition(lambda self: any(self.unsent.values()))
    @rule(data=st.data())
    def an_event_comes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(n for n, left in self.unsent.items() if left)))
        number = self.unsent[name].pop(0)
        if name not in self.terminated:
            self.world.client.raise_event(name, f"e{number}", str(number))

    @precondition(lambda self: self.plans)
    @rule(data=st.data())
    def suspend_or_resume(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.plans)))
        status = self.world.get(name).status
        if status is Status.RUNNING:
            self.world.client.suspend(name, "pause")
        elif status is Status.SUSPENDED:
            self.world.client.resume(name, "go on")

    @rule()
    def the_host_is_killed(self) -> None:
        """Nothing in memory survives; the file does."""
        now = self.world.clock.micros()
        self.world.close()
        self.world = World(self.folder, app)
        self.world.clock.freeze(now)
        self.world.engine.timers_changed()

    @invariant()
    def whatever_has_ended_is_right(self) -> None:
        for name, plan in self.plans.items():
            if self.world.get(name).status.is_final:
                assert self.world.output(name) == expected(plan)

    def finish(self) -> None:
        """Let everything end, and count: nothing is lost."""
        for name, left in self.unsent.items():
            for number in left:
                self.world.client.raise_event(name, f"e{number}", str(number))
        for _ in range(200):
            for name in self.plans:
                if self.world.get(name).status is Status.SUSPENDED:
                    self.world.client.resume(name, None)
            self.world.pass_time(5)
            if all(self.world.get(name).status.is_final for name in self.plans):
                break
        outcomes = {name: self.world.output(name) for name in self.plans}
        assert outcomes == {name: expected(plan) for name, plan in self.plans.items()}
        assert self.world.database.rows("SELECT COUNT(*) FROM inbox") == [(0,)]


TestHosts = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")(Hosts.TestCase)
TestHosts.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
