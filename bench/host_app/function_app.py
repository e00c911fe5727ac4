# mypy: disable-error-code="untyped-decorator"
"""What `bench.host` runs on our host; `bench.host_peer` has the same for the peer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Generator[Any, Any, int]:
    number = 0
    for _ in range(context.get_input()):
        number = yield context.call_activity("add_one", number)
    return number


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Generator[Any, Any, int]:
    numbers = yield context.task_all([context.call_activity("add_one", n) for n in range(context.get_input())])
    return sum(numbers)


@app.orchestration_trigger(context_name="context")
def calls(context: df.DurableOrchestrationContext) -> Generator[Any, Any, int]:
    entity = df.EntityId("counter", "called")
    number = 0
    for _ in range(context.get_input()):
        number = yield context.call_entity(entity, "add", 1)
    return number


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext) -> Generator[Any, Any, None]:
    yield context.create_timer(context.current_utc_datetime + dt.timedelta(hours=5))


@app.activity_trigger(input_name="number")
def add_one(number: int) -> int:
    return number + 1


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)
