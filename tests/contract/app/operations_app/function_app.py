"""Operations that exist for tests, run by the real `long_operation` on the real engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df

# The host leaves an app only its own folder; these operations run in the real orchestrator.
sys.path.append(str(Path(__file__).resolve().parents[4]))

import ringback.operations.catalogue as catalogue
from ringback.operations.operation import Op, Operation, OperationFailedError, Result, Retry, Span, Steps

SEEN = Path(os.environ["SEEN"])
ONCE = Retry(first_interval=timedelta(milliseconds=50), attempts=1)
THRICE = Retry(first_interval=timedelta(milliseconds=50), attempts=3)


def fan(op: Op) -> Steps:
    items = [{"index": index, **op.input} for index in range(op.input.get("count", 25))]
    results = yield from op.fan_out("work", items, width=4, retry=ONCE, span=Span(10, 90, "working"))
    return Result(text="fanned", data=results)


def retried(op: Op) -> Steps:
    result = yield from op.step("flaky", {"times": op.input["times"]}, retry=THRICE)
    return Result(text="went well", data=result)


def external(op: Op) -> Steps:
    yield from op.step("slow", {"seconds": op.input.get("seconds", 0)}, retry=ONCE)
    answer = yield from op.external("answer", timeout=timedelta(seconds=op.input.get("timeout", 60)))
    second = None
    if op.input.get("twice"):
        second = yield from op.external("again", timeout=timedelta(seconds=60))
    return Result(text="answered", data=[answer, second])


def slow_then_more(op: Op) -> Steps:
    for _ in range(op.input.get("steps", 5)):
        yield from op.step("slow", {"seconds": 0.4}, retry=ONCE)
    return Result(text="all steps")


def hopeless(op: Op) -> Steps:
    yield from op.step("refuse", retry=THRICE)
    return Result(text="never")


def mistaken(op: Op) -> Steps:
    yield from op.step("slow", {"seconds": 0})
    raise KeyError("a mistake of the author's")


def tidy(op: Op) -> Steps:
    try:
        yield from op.step("flaky", {"times": 99}, retry=ONCE)
    except OperationFailedError:
        yield from op.cleanup("refuse")
        yield from op.cleanup("flaky", {"times": 99})
        raise
    return Result(text="never")


RUNS = {"fan": fan, "retried": retried, "external": external, "hopeless": hopeless, "mistaken": mistaken, "tidy": tidy}
LONG = timedelta(hours=1)
catalogue.CATALOGUE = (
    *(
        Operation(name=name, title=name, description="", run=run, activities=(), deadline=LONG)
        for name, run in RUNS.items()
    ),
    Operation(
        name="slow-steps", title="", description="", run=slow_then_more, activities=(), deadline=timedelta(seconds=1)
    ),
    Operation(name="late", title="", description="", run=external, activities=(), deadline=timedelta(seconds=1)),
)

import orchestrators.long_operation  # noqa: E402  after the catalogue was changed

bp = df.Blueprint()


def note(kind: str, payload: dict[str, Any]) -> int:
    """Write down one run of an activity; how often it ran for this operation so far."""
    with SEEN.open("a") as seen:
        seen.write(json.dumps({"kind": kind, **payload}) + "\n")
    lines = [json.loads(line) for line in SEEN.read_text().splitlines()]
    return sum(1 for line in lines if line["kind"] == kind and line["operation_id"] == payload["operation_id"])


@bp.activity_trigger(input_name="payload")
async def work(payload: dict) -> dict:
    note("work", payload)
    if payload["index"] == payload.get("cancelled_at"):
        return {"cancelled": True}
    if payload["index"] == payload.get("broken_at"):
        raise ValueError(f"chunk {payload['index']} is broken")
    await asyncio.sleep(0.01 * (payload["index"] % 3))
    return {"index": payload["index"]}


@bp.activity_trigger(input_name="payload")
async def flaky(payload: dict) -> dict:
    if note("flaky", payload) <= payload["times"]:
        raise RuntimeError("not yet")
    return {"fine": True}


@bp.activity_trigger(input_name="payload")
async def slow(payload: dict) -> dict:
    note("slow", payload)
    await asyncio.sleep(payload["seconds"])
    return {}


@bp.activity_trigger(input_name="payload")
async def refuse(payload: dict) -> dict:
    note("refuse", payload)
    return {"failed": "It will never work."}


@bp.activity_trigger(input_name="payload")
async def finish_operation(payload: dict) -> dict:
    note("finish", payload)
    return {}


app = df.DFApp()
app.register_functions(bp)
app.register_functions(orchestrators.long_operation.bp)
