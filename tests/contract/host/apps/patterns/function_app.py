"""The patterns that the documentation of Durable Functions for Python shows, as one app of our own."""

import asyncio
import datetime
import json
import os
import time

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
RUNS = os.environ.get("RUNS_FILE")


def note(text):
    if RUNS:
        with open(RUNS, "a") as out:
            out.write(text + "\n")


# -- chaining


@app.orchestration_trigger(context_name="context")
def greet_cities(context):
    first = yield context.call_activity("greet", "Lisbon")
    second = yield context.call_activity("greet", "Oslo")
    third = yield context.call_activity("greet", "Quito")
    return [first, second, third]


@app.activity_trigger(input_name="city")
def greet(city):
    note(f"greet {city}")
    return f"Hello {city}!"


# -- fan-out / fan-in


@app.orchestration_trigger(context_name="context")
def measure_words(context):
    words = yield context.call_activity("list_words", context.get_input())
    sizes = yield context.task_all([context.call_activity("measure", word) for word in words])
    return sum(sizes)


@app.activity_trigger(input_name="count")
def list_words(count):
    return ["x" * number for number in range(count or 10)]


@app.activity_trigger(input_name="word")
async def measure(word):
    await asyncio.sleep(0.01)
    return len(word)


# -- async HTTP API


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    body = req.get_body()
    instance_id = await client.start_new(req.route_params["name"], None, json.loads(body) if body else None)
    return client.create_check_status_response(req, instance_id)


@app.route(route="run/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def run(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["name"])
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 5000, 100)


# -- monitor


@app.orchestration_trigger(context_name="context")
def watch_job(context):
    job = context.get_input()
    deadline = context.current_utc_datetime + datetime.timedelta(seconds=job["patience"])
    while context.current_utc_datetime < deadline:
        state = yield context.call_activity("job_state", job["id"])
        if state == "done":
            return "seen"
        yield context.create_timer(context.current_utc_datetime + datetime.timedelta(seconds=0.3))
    return "gave up"


LOOKS = {}


@app.activity_trigger(input_name="job")
def job_state(job):
    LOOKS[job] = LOOKS.get(job, 0) + 1
    return "done" if LOOKS[job] > 2 else "running"


# -- human interaction


@app.orchestration_trigger(context_name="context")
def ask_approval(context):
    due = context.current_utc_datetime + datetime.timedelta(seconds=context.get_input() or 60)
    timer = context.create_timer(due)
    answer = context.wait_for_external_event("approval")
    winner = yield context.task_any([answer, timer])
    if winner == answer:
        timer.cancel()
        return "approved" if answer.result else "refused"
    return "escalated"


# -- aggregator


@app.entity_trigger(context_name="context")
def counter(context):
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        total += context.get_input()
    elif context.operation_name == "reset":
        total = 0
    context.set_state(total)
    context.set_result(total)


@app.orchestration_trigger(context_name="context")
def count_twice(context):
    entity = df.EntityId("counter", context.instance_id)
    context.signal_entity(entity, "add", 1)
    total = yield context.call_entity(entity, "add", 10)
    return total


# -- what else the tests need


@app.orchestration_trigger(context_name="context")
def long_chain(context):
    total = 0
    for number in range(context.get_input()):
        total = yield context.call_activity("add", [total, number])
    return total


@app.activity_trigger(input_name="pair")
def add(pair):
    note(f"add {pair[1]}")
    time.sleep(0.02)
    return pair[0] + pair[1]


@app.orchestration_trigger(context_name="context")
def naps(context):
    yield context.task_all(
        [context.call_activity("nap", context.get_input()["seconds"])] * 1
        + [
            context.call_activity("nap", context.get_input()["seconds"])
            for _ in range(context.get_input()["count"] - 1)
        ]
    )
    return "rested"


@app.activity_trigger(input_name="seconds")
def nap(seconds):
    note("nap")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


@app.orchestration_trigger(context_name="context")
def blocks(context):
    time.sleep(context.get_input())
    return "at last"


@app.orchestration_trigger(context_name="context")
def sleeps(context):
    yield context.create_timer(context.current_utc_datetime + datetime.timedelta(seconds=context.get_input()))
    return "woke"


@app.orchestration_trigger(context_name="context")
def returns_a_set(context):
    result = yield context.call_activity("make_set")
    return result


@app.activity_trigger(input_name="nothing")
def make_set(nothing):
    return {1, 2}


@app.orchestration_trigger(context_name="context")
def bearer(context):
    answer = yield context.call_http(
        "GET", "http://127.0.0.1:9/", token_source=df.ManagedIdentityTokenSource("https://x")
    )
    return answer


@app.orchestration_trigger(context_name="context")
def starts_child(context):
    result = yield context.call_sub_orchestrator("sleeps", context.get_input()["seconds"], context.get_input()["child"])
    return result


@app.orchestration_trigger(context_name="context")
def starts_from_activity(context):
    child = yield context.call_activity("start_detached", "greet_cities")
    return child


@app.activity_trigger(input_name="name")
@app.durable_client_input(client_name="client")
async def start_detached(name, client):
    return await client.start_new(name, "detached")


@app.orchestration_trigger(context_name="context")
def counts_down(context):
    left = context.get_input()
    if left:
        context.continue_as_new(left - 1)
        return None
    return "lift-off"
