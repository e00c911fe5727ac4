"""Queue triggers and outputs against the Queue service's protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.contract.host.harness import APPS, Host
from tests.contract.host.queue_server import QueueServer


@pytest.fixture
def queues() -> Iterator[QueueServer]:
    server = QueueServer()
    yield server
    server.close()


@pytest.fixture
def host(hosts: list[Host], queues: QueueServer, tmp_path) -> Host:
    environment = {"Account": queues.connection, "IN_QUEUE": "jobs"}
    started = Host(APPS / "messages", tmp_path / "state", environment=environment).start()
    hosts.append(started)
    return started


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_message_goes_in_and_its_results_come_out(host: Host, queues: QueueServer) -> None:
    assert host.call("POST", "/api/put", "hellö".encode()).text == "put"
    assert until(lambda: len(queues.texts("results")) == 2)
    assert queues.texts("results") == ["hellö!", "and more"]
    assert until(lambda: queues.texts("jobs") == [])
    assert host.call("GET", "/api/seen").json == [["hellö", 1, True, True]]


def test_a_message_that_always_fails_is_moved_to_the_poison_queue(host: Host, queues: QueueServer) -> None:
    host.call("POST", "/api/put", b"poison")
    assert until(lambda: queues.texts("jobs-poison") == ["poison"])
    assert until(lambda: queues.texts("jobs") == [])
    assert [count for _, count, *_ in host.call("GET", "/api/seen").json] == [1, 2, 3]
    assert until(lambda: "moved to jobs-poison" in host.log_text())


def test_a_message_that_ended_its_last_run_with_the_host_is_not_run_again(
    hosts: list[Host], queues: QueueServer, tmp_path
) -> None:
    queues.handle("PUT", "/acc/jobs", "")
    queues.handle("POST", "/acc/jobs/messages", "<MessageText>cG9pc29u</MessageText>")
    queues.queues["jobs"][0].count = 3
    host = Host(APPS / "messages", tmp_path / "state", environment={"Account": queues.connection, "IN_QUEUE": "jobs"})
    hosts.append(host.start())
    assert until(lambda: queues.texts("jobs-poison") == ["poison"])
    assert until(lambda: queues.texts("jobs") == [])
    assert host.call("GET", "/api/seen").json == []


def test_a_missing_connection_is_said_once_and_the_rest_runs(hosts: list[Host], tmp_path) -> None:
    host = Host(APPS / "messages", tmp_path / "state", environment={"IN_QUEUE": "jobs"}).start()
    hosts.append(host)
    assert host.call("GET", "/api/seen").status == 200
    assert until(lambda: "no setting 'Account'" in host.log_text())
    assert "unknown setting 'surprise'" in host.log_text()


def test_an_account_that_is_down_is_said_once(hosts: list[Host], tmp_path) -> None:
    down = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a;"
    host = Host(APPS / "messages", tmp_path / "state", environment={"Account": down, "IN_QUEUE": "jobs"}).start()
    hosts.append(host)
    assert until(lambda: "cannot be read" in host.log_text())
    assert host.call("POST", "/api/put", b"x").status == 500
