"""Steps that fail, and kill -9 at any moment."""

from __future__ import annotations

import random
import time

import pytest

from tests.e2e.conftest import JobSystem
from tests.e2e.directline import Chat, buttons_of, operation_of, text_of
from tests.e2e.sample_data import SampleCsv
from tests.e2e.stack import Stack


def test_a_step_that_fails_twice_is_retried_and_one_that_fails_for_good_can_be_retried_by_the_user(
    own_stack: Stack, job_system: JobSystem
):
    own_stack.environ["EXTERNAL_JOB_URL"] = job_system.url
    own_stack.start()
    chat = Chat(own_stack.channel, "dl_patient")
    event = {"type": "event", "name": "LongOperationResponse"}
    job_system.statuses = [500, 503]
    chat.ask("external-job first", "One moment please")
    wait_jobs(job_system, 3)
    assert len({job["token"] for job in job_system.jobs}) == 1
    assert set(job_system.jobs[0]) == {"operationId", "token", "eventName", "input"}
    chat.post(**event, value={"token": job_system.jobs[-1]["token"], "result": "third time lucky"})
    chat.wait_text("is done", "third time lucky")

    job_system.statuses = [500, 500, 500, 500]
    job_system.jobs.clear()
    operation = operation_of(chat.ask("external-job second", "One moment please"))
    failure = chat.wait_text("failed", "status 500", seconds=40)
    assert own_stack.wait_ended(operation)["runtimeStatus"] == "Failed"
    chat.ask(buttons_of(failure)["Try again"], "One moment please")
    wait_jobs(job_system, 5)
    assert job_system.jobs[-1]["input"] == {"text": "second"}
    chat.post(**event, value={"token": job_system.jobs[-1]["token"], "result": "at last"})
    chat.wait_text("is done", "at last")


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment_loses_nothing(own_stack: Stack, seed: int):
    draw = random.Random(seed)
    data = SampleCsv(50_000)
    own_stack.start()
    chat = Chat(own_stack.channel, "dl_survivor")
    chat.wait_text("Hello")
    chat.upload("sales.csv", data.content)
    chat.ask("external-job", "One moment please")
    killed_after = draw.uniform(0.0, 1.5)
    time.sleep(killed_after)
    for _ in range(2):
        own_stack.kill()
        own_stack.start()
        time.sleep(draw.uniform(0.0, 1.0))
    result = chat.wait_text("Analyze file", "is done", seconds=90)
    assert data.mean in text_of(result)
    job = operation_of(chat.wait_text("External job", "One moment please"))
    token = wait_token(own_stack, job)
    chat.post(type="event", name="LongOperationResponse", value={"token": token, "result": "made it"})
    own_stack.kill()
    own_stack.start()
    chat.wait_text("is done", "made it", seconds=90)
    time.sleep(1.0)
    chat.poll()
    file = operation_of(chat.wait_text("Analyze file", "One moment please"))
    for operation, words in ((file, data.mean), (job, "made it")):
        row = own_stack.wait_delivered(operation)
        told = sum(words in text_of(activity) for activity in chat.seen)
        # Twice only when a kill fell between the channel's yes and our write, and then the ledger says so.
        assert 1 <= told <= 1 + row["Ambiguous"], (told, row["Attempts"])


def wait_jobs(system: JobSystem, count: int) -> None:
    end = time.monotonic() + 40
    while len(system.jobs) < count:
        assert time.monotonic() < end, system.jobs
        time.sleep(0.05)


def wait_token(stack: Stack, operation: str) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        view = stack.api("GET", f"operations/{operation}")
        if "external" in view:
            return str(view["external"]["token"])
        time.sleep(0.1)
    raise AssertionError(view)
