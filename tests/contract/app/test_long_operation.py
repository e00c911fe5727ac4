"""`long_operation` on the real engine, with operations that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.directline import HttpError, request
from tests.e2e.stack import ENDED, MANAGEMENT, ROOT, free_ports

APP = Path(__file__).with_name("operations_app")


class Host:
    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self.url, self.seen_file = f"http://127.0.0.1:{self.port}{MANAGEMENT}", folder / "seen"
        argv = [sys.executable, "-m", "local.host", "start", "--app", str(APP), "--port", str(self.port)]
        environ = {**os.environ, "SEEN": str(self.seen_file)}
        self.seen_file.touch()
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [*argv, "--state", str(folder / "state")], cwd=ROOT, env=environ, stdout=self.log, stderr=self.log
        )
        self.wait(lambda: request("GET", f"http://127.0.0.1:{self.port}/admin/host/status", timeout=2))

    def wait(self, look, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                if found := look():
                    return found
            except (OSError, HttpError):
                assert self.process.poll() is None
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.03)

    def start(self, operation: str, **given: Any) -> str:
        body = json.dumps({"operation": operation, "input": given})
        return request("POST", f"{self.url}/orchestrators/long_operation", json.dumps(body).encode())["id"]

    def status(self, instance: str) -> dict[str, Any]:
        return request("GET", f"{self.url}/instances/{instance}")

    def ended(self, instance: str) -> dict[str, Any]:
        self.wait(lambda: self.status(instance)["runtimeStatus"] in ENDED)
        return self.status(instance)

    def run(self, operation: str, **given: Any) -> dict[str, Any]:
        return self.ended(self.start(operation, **given))

    def raise_event(self, instance: str, name: str, data: Any = None) -> None:
        request("POST", f"{self.url}/instances/{instance}/raiseEvent/{name}", json.dumps(data).encode())

    def wait_state(self, instance: str, state: str) -> None:
        self.wait(lambda: (self.status(instance)["customStatus"] or {}).get("state") == state)

    def seen(self, instance: str, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.seen_file.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind and line["operation_id"] == instance]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    found = Host(tmp_path_factory.mktemp("operations"))
    yield found
    found.process.terminate()
    found.process.wait(10)
    found.log.close()


def test_a_fan_out_returns_its_results_in_order(host):
    status = host.run("fan", count=25)
    assert status["output"]["result"]["data"] == [{"index": index} for index in range(25)]
    assert status["customStatus"] == {
        "operation": "fan",
        "state": "succeeded",
        "percent": 100,
        "step": "work",
        "text": "done",
    }


def test_nothing_to_fan_out_is_no_work(host):
    assert host.run("fan", count=0)["output"]["result"]["data"] == []


def test_a_broken_part_fails_the_whole_and_later_windows_never_run(host):
    instance = host.start("fan", count=25, broken_at=5)
    status = host.ended(instance)
    assert status["runtimeStatus"] == "Failed"
    assert "chunk 5 is broken" in status["output"]
    assert {line["index"] for line in host.seen(instance, "work")} <= set(range(8))
    assert [line["state"] for line in host.seen(instance, "finish")] == ["failed"]


def test_a_part_that_saw_the_cancel_mark_cancels_the_whole(host):
    instance = host.start("fan", count=25, cancelled_at=5)
    assert host.ended(instance)["output"] == {"state": "cancelled"}
    assert [line["state"] for line in host.seen(instance, "finish")] == ["cancelled"]


def test_a_step_is_retried_by_its_policy(host):
    instance = host.start("retried", times=2)
    assert host.ended(instance)["output"]["result"]["data"] == {"fine": True}
    assert len(host.seen(instance, "flaky")) == 3


def test_a_step_that_fails_for_good_tells_why_then_fails_the_instance(host):
    instance = host.start("retried", times=9)
    status = host.ended(instance)
    assert status["runtimeStatus"] == "Failed"
    assert status["customStatus"]["state"] == "failed"
    assert len(host.seen(instance, "flaky")) == 3
    [finish] = host.seen(instance, "finish")
    assert finish["text"] == "not yet"
    assert "retry" in json.dumps(finish["content"])


def test_a_permanent_failure_is_not_retried(host):
    instance = host.start("hopeless")
    assert "It will never work." in host.ended(instance)["output"]
    assert len(host.seen(instance, "refuse")) == 1


def test_an_authors_mistake_is_a_failure_that_is_told(host):
    instance = host.start("mistaken")
    assert "a mistake of the author's" in host.ended(instance)["output"]
    text = host.seen(instance, "finish")[0]["text"]
    assert text.startswith("Something went wrong")
    assert "KeyError" not in text


def test_cleaning_up_happens_after_a_failure_and_may_fail_itself(host):
    instance = host.start("tidy")
    assert "not yet" in host.ended(instance)["output"]
    assert len(host.seen(instance, "refuse")) == 1


def test_an_unknown_operation_fails_with_the_names_there_are(host):
    status = host.run("nope")
    assert status["runtimeStatus"] == "Failed"
    assert "slow-steps" in status["output"]


@pytest.mark.parametrize("answer", [{"result": {"a": 1}}, {"a": 1}, "plain", 7, None, [1]])
def test_any_answer_ends_the_wait(host, answer):
    instance = host.start("external")
    host.wait_state(instance, "waiting")
    host.raise_event(instance, "answer", answer)
    want = {"a": 1} if isinstance(answer, dict) else answer
    assert host.ended(instance)["output"]["result"]["data"][0] == want


def test_progress_in_a_burst_is_all_waited_past(host):
    instance = host.start("external")
    host.wait_state(instance, "waiting")
    for percent in range(1, 60):
        host.raise_event(instance, "answer", {"progress": percent})
    host.wait(lambda: host.status(instance)["customStatus"]["percent"] == 59)
    host.raise_event(instance, "answer", {"result": "end"})
    assert host.ended(instance)["output"]["result"]["data"][0] == "end"


def test_an_answer_that_comes_before_the_wait_counts(host):
    instance = host.start("external", seconds=0.6)
    host.raise_event(instance, "answer", {"result": "early"})
    assert host.ended(instance)["output"]["result"]["data"][0] == "early"


def test_early_progress_is_taken_once_and_the_answer_still_waited_for(host):
    instance = host.start("external", seconds=0.6)
    host.raise_event(instance, "answer", {"progress": 30})
    host.wait(lambda: host.status(instance)["customStatus"]["percent"] == 30)
    time.sleep(0.2)
    assert host.status(instance)["runtimeStatus"] == "Running"
    for percent in (40, 50):
        host.raise_event(instance, "answer", {"progress": percent})
        host.wait(lambda percent=percent: host.status(instance)["customStatus"]["percent"] == percent)
    host.raise_event(instance, "answer", {"result": "end"})
    assert host.ended(instance)["output"]["result"]["data"][0] == "end"


def test_two_waits_of_one_operation_each_get_their_own_event(host):
    instance = host.start("external", twice=True)
    host.raise_event(instance, "again", {"result": 2})
    host.wait_state(instance, "waiting")
    host.raise_event(instance, "answer", {"result": 1})
    assert host.ended(instance)["output"]["result"]["data"] == [1, 2]


def test_no_answer_in_time_is_a_failure(host):
    assert "did not answer in time" in host.run("external", timeout=0.3)["output"]


def test_cancelling_a_wait_ends_it_at_once(host):
    instance = host.start("external")
    host.wait_state(instance, "waiting")
    host.raise_event(instance, "cancel", {})
    assert host.ended(instance)["output"] == {"state": "cancelled"}


def test_a_cancel_that_comes_before_the_wait_is_found_there(host):
    instance = host.start("external", seconds=0.5)
    host.raise_event(instance, "cancel", {})
    host.raise_event(instance, "cancel", {})
    assert host.ended(instance)["output"] == {"state": "cancelled"}


def test_steps_stop_at_the_deadline(host):
    instance = host.start("slow-steps", steps=50)
    assert "longer than" in host.ended(instance)["output"]
    assert len(host.seen(instance, "slow")) < 6


def test_a_wait_stops_at_the_deadline(host):
    status = host.run("late")
    assert status["runtimeStatus"] == "Failed"
    assert "longer than" in status["output"]


def test_suspended_and_resumed_it_goes_on(host):
    instance = host.start("external")
    host.wait_state(instance, "waiting")
    request("POST", f"{host.url}/instances/{instance}/suspend?reason=x", b"")
    host.wait(lambda: host.status(instance)["runtimeStatus"] == "Suspended")
    host.raise_event(instance, "answer", {"result": "while suspended"})
    request("POST", f"{host.url}/instances/{instance}/resume?reason=x", b"")
    assert host.ended(instance)["output"]["result"]["data"][0] == "while suspended"
