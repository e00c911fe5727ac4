"""Queue triggers and outputs against Azurite itself, which npm installs where it is not (see tests/contract/tables)."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from tests.contract.host.harness import APPS, Host
from tests.contract.tables.endpoints import KEY, NPM_FOLDER, free_port, install, running

SECONDS = 60


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of an Azurite that runs; skipped, loudly, where there is none."""
    program = NPM_FOLDER / "node_modules" / ".bin" / "azurite-queue"
    if not program.exists():
        install()
    port = free_port()
    options = ["--queuePort", str(port), "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
    with running([str(program), "--silent", *options], port, tmp_path_factory.mktemp("azurite") / "output.txt"):
        endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
        yield (f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};QueueEndpoint={endpoint};")


@pytest.fixture
def account(azurite: str) -> Iterator[QueueServiceClient]:
    """Without any queue."""
    with QueueServiceClient.from_connection_string(azurite) as client:
        for queue in client.list_queues():
            client.delete_queue(queue)
        yield client


@pytest.fixture
def start(hosts: list[Host], azurite: str, account: QueueServiceClient, tmp_path: Path) -> Callable[..., Host]:
    def run(**queues: Any) -> Host:
        app = tmp_path / "app"
        shutil.copytree(APPS / "jobs", app)
        settings = {"maxPollingInterval": "00:00:00.2", **queues}
        (app / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": settings}}))
        environment = {"Account": azurite, "LET_GO": str(tmp_path / "let_go")}
        hosts.append(Host(app, tmp_path / "state", environment=environment).start())
        return hosts[-1]

    return run


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def send(account: QueueServiceClient, content: str) -> None:
    queue = account.get_queue_client("jobs")
    queue.create_queue()
    queue.send_message(content)


def texts(account: QueueServiceClient, queue: str) -> list[str]:
    """What can be seen in a queue, as it lies there."""
    try:
        return [message.content for message in account.get_queue_client(queue).peek_messages(32)]
    except ResourceNotFoundError:
        return []


def count(account: QueueServiceClient, queue: str) -> int:
    """How many messages a queue has, those that cannot be seen too."""
    return account.get_queue_client(queue).get_queue_properties().approximate_message_count


def seen(host: Host) -> list[list[Any]]:
    return host.call("GET", "/api/seen").json


def encoded(text: str, encoding: str) -> str:
    return base64.b64encode(text.encode()).decode() if encoding == "base64" else text


@pytest.mark.parametrize("encoding", ["base64", "none"])
def test_a_message_is_handled_once_and_its_answers_lie_in_their_queues(start, account, encoding: str) -> None:
    host = start(messageEncoding=encoding)
    send(account, encoded("answer", encoding))
    until(lambda: len(texts(account, "results")) == 2)
    assert texts(account, "results") == [encoded("one", encoding), encoded("two", encoding)]
    assert texts(account, "copies") == [encoded("answer", encoding)]
    until(lambda: count(account, "jobs") == 0)
    assert seen(host) == [[b"answer".hex(), 1, True, True]]


@pytest.mark.parametrize(
    ("encoding", "content", "body"),
    [
        ("base64", base64.b64encode(b"\xff\x00\xfe").decode(), b"\xff\x00\xfe"),
        ("base64", "no base64: <é>", "no base64: <é>".encode()),
        ("none", "<a>&amp; é</a>", "<a>&amp; é</a>".encode()),
    ],
)
def test_whatever_a_message_holds_arrives(start, account, encoding: str, content: str, body: bytes) -> None:
    host = start(messageEncoding=encoding)
    send(account, content)
    until(lambda: [one[0] for one in seen(host)] == [body.hex()])
    until(lambda: count(account, "jobs") == 0)


def test_the_http_output_feeds_the_trigger(start, account) -> None:
    host = start()
    assert host.call("POST", "/api/put", "hellö".encode()).text == "put"
    until(lambda: [one[0] for one in seen(host)] == ["hellö".encode().hex()])


@pytest.mark.parametrize("visibility", ["00:00:00", "00:00:01"])
def test_a_message_that_always_fails_is_tried_five_times_then_moved(start, account, visibility: str) -> None:
    host = start(visibilityTimeout=visibility)
    send(account, encoded("poison", "base64"))
    until(lambda: texts(account, "jobs-poison") == [encoded("poison", "base64")])
    until(lambda: count(account, "jobs") == 0)
    assert [one[1] for one in seen(host)] == [1, 2, 3, 4, 5]
    until(lambda: "moved to jobs-poison" in host.log_text())


def test_a_message_that_failed_stays_hidden_for_the_time_that_is_set(start, account) -> None:
    host = start(visibilityTimeout="01:00:00")
    send(account, encoded("poison", "base64"))
    until(lambda: "Executed 'Functions.work' (Failed" in host.log_text())
    # A later message is handled: by then the failed one would have been, too.
    account.get_queue_client("jobs").send_message(encoded("other", "base64"))
    until(lambda: len(seen(host)) > 1)
    assert [bytes.fromhex(one[0]) for one in seen(host)] == [b"poison", b"other"]
    until(lambda: count(account, "jobs") == 1)
    assert texts(account, "jobs") == []


def test_a_message_at_work_is_hidden_and_goes_when_the_work_is_done(start, account, tmp_path: Path) -> None:
    host = start()
    send(account, encoded("slow", "base64"))
    until(lambda: seen(host))
    assert (texts(account, "jobs"), count(account, "jobs")) == ([], 1)
    (tmp_path / "let_go").touch()
    until(lambda: count(account, "jobs") == 0)
    assert len(seen(host)) == 1
