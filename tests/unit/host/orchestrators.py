"""Orchestrators that the tests of the engine run."""

from __future__ import annotations

import datetime as dt

import azure.durable_functions as df

app = df.DFApp()
RETRY = df.RetryOptions(5000, 3)
SWITCH = {"kind": "activity", "fails": 0}


def orchestrator(function):
    return app.orchestration_trigger(context_name="context")(function)


def activity(function):
    return app.activity_trigger(input_name="value")(function)


@activity
def add_one(value):
    return (value or 0) + 1


@activity
def boom(value):
    raise ValueError(f"boom {value}")


@activity
def flaky(value):
    SWITCH["fails"] -= 1
    if SWITCH["fails"] >= 0:
        raise ValueError("not yet")
    return "at last"


@orchestrator
def chain(context):
    number = 0
    for _ in range(context.get_input() or 3):
        number = yield context.call_activity("add_one", number)
    return number


@orchestrator
def fan(context):
    numbers = yield context.task_all([context.call_activity("add_one", n) for n in range(context.get_input())])
    return numbers


@orchestrator
def fails(context):
    yield context.call_activity("boom", 1)


@orchestrator
def retries(context):
    result = yield context.call_activity_with_retry("flaky", RETRY)
    return result


@orchestrator
def sub_retries(context):
    result = yield context.call_sub_orchestrator_with_retry("flaky_once", RETRY)
    return result


@orchestrator
def flaky_once(context):
    result = yield context.call_activity("flaky")
    return result


@orchestrator
def parent_of_flaky(context):
    result = yield context.call_sub_orchestrator("flaky_once")
    return result


@orchestrator
def sleeps(context):
    yield context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=context.get_input()))
    return context.current_utc_datetime.isoformat()


@orchestrator
def races(context):
    event = context.wait_for_external_event("go")
    timer = context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=60))
    winner = yield context.task_any([event, timer])
    if winner == event:
        if (context.get_input() or "cancel") == "cancel":
            timer.cancel()
        return event.result
    return "timeout"


@orchestrator
def waits(context):
    value = yield context.wait_for_external_event(context.get_input() or "go")
    return value


@orchestrator
def nested(context):
    pair = context.task_all([context.call_activity("add_one", 1), context.call_activity("add_one", 2)])
    event = context.wait_for_external_event("stop")
    winner = yield context.task_any([pair, event])
    return pair.result if winner == pair else "stopped"


@orchestrator
def counts(context):
    number = context.get_input() or 0
    yield context.call_activity("add_one", number)
    if number < 2:
        context.continue_as_new(number + 1)
        return None
    return number


@orchestrator
def renews_on_event(context):
    if context.get_input():
        value = yield context.wait_for_external_event("go")
        return value
    yield context.wait_for_external_event("renew")
    context.continue_as_new(True)
    return None


@orchestrator
def parent(context):
    result = yield context.call_sub_orchestrator("chain", 2, context.get_input())
    return result


@orchestrator
def parent_of_failure(context):
    try:
        yield context.call_sub_orchestrator("fails")
    except Exception as error:
        return str(error).split(" \n ")[0]


@orchestrator
def changes(context):
    kind = SWITCH["kind"]
    if kind == "activity":
        yield context.call_activity("add_one", 1)
    elif kind == "other":
        yield context.call_activity("boom", 1)
    elif kind == "timer":
        yield context.create_timer(context.current_utc_datetime)
    elif kind == "child":
        yield context.call_sub_orchestrator("chain", 1)
    elif kind == "other child":
        yield context.call_sub_orchestrator("counts", 1)
    elif kind == "entity":
        context.signal_entity(df.EntityId("counter", "x"), "add", 1)
    yield context.wait_for_external_event("go")
    return "end"


@orchestrator
def status(context):
    context.set_custom_status({"step": 1})
    yield context.wait_for_external_event("one")
    context.set_custom_status("two")
    yield context.wait_for_external_event("two")
    return "end"


@orchestrator
def calls_entity(context):
    entity = df.EntityId("Counter", "k")
    first = yield context.call_entity(entity, "add", 5)
    context.signal_entity(entity, "add", 2)
    second = yield context.call_entity(entity, "get")
    return [first, second]


@orchestrator
def entity_fails(context):
    try:
        yield context.call_entity(df.EntityId("counter", "k"), "fail", "why")
    except Exception as error:
        return str(error)


@orchestrator
def unknown_activity(context):
    yield context.call_activity("nosuch", 1)


@orchestrator
def unknown_entity(context):
    yield context.call_entity(df.EntityId("nosuch", "k"), "add", 1)


@orchestrator
def unknown_child(context):
    yield context.call_sub_orchestrator("nosuch", 1)


@orchestrator
def odd_child(context):
    yield context.call_sub_orchestrator("chain", 1, "@odd")


@orchestrator
def plain(context):
    raise ValueError("no generator")


@orchestrator
def many_calls(context):
    total = 0
    for number in range(context.get_input()):
        total = yield context.call_entity(df.EntityId("counter", "k"), "add", 1)
        if number % 7 == 0:
            yield context.call_activity("add_one", number)
    context.set_custom_status({"total": total})
    last = yield context.wait_for_external_event("finish")
    return [total, last]


@app.entity_trigger(context_name="context")
def counter(context):
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        total += context.get_input()
        context.set_state(total)
    elif context.operation_name == "fail":
        context.set_state(total + 100)
        raise ValueError(f"entity says {context.get_input()}")
    elif context.operation_name == "delete":
        context.destruct_on_exit()
        return
    context.set_result(total)
