"""The Table endpoint as a program: its start, its end, and what survives a kill."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.data.tables import TableServiceClient

from tests.contract.tables.endpoints import connection_string, free_port

ROOT = Path(__file__).parents[4]


@pytest.fixture
def start(tmp_path):
    started: list[subprocess.Popen] = []

    def make(port: int, *, state: Path = tmp_path / "state", options: tuple[str, ...] = ()) -> subprocess.Popen:
        command = [sys.executable, "-m", "local.services.tables", "--port", str(port), "--state", str(state), *options]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield make
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def service(port: int, **options) -> TableServiceClient:
    return TableServiceClient.from_connection_string(connection_string(port), retry_total=0, **options)


def test_it_says_when_it_is_ready_and_ends_on_sigterm(start):
    port = free_port()
    process = start(port)

    assert process.stdout.readline() == f"The Table endpoint is ready at http://127.0.0.1:{port}/devstoreaccount1\n"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:
        assert response.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("options", [(), ("--end-with-parent",)])
def test_a_taken_port_is_named_with_its_option(start, options):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(port, options=options)

        assert process.wait(10) == 2
    assert process.stderr.read() == f"Port {port} is taken: give another one with --port.\n"


def test_a_state_folder_has_one_endpoint(start):
    start(free_port()).stdout.readline()
    second = start(free_port())

    assert second.wait(10) == 2
    assert "--state" in second.stderr.read()


def test_it_waits_for_a_predecessor_that_is_ending(start):
    first = start(free_port())
    first.stdout.readline()
    second = start(free_port())
    time.sleep(0.7)
    first.kill()

    assert "ready" in second.stdout.readline()


def test_it_ends_with_its_parent(start):
    process = start(free_port(), options=("--end-with-parent",))
    process.stdout.readline()
    process.stdin.close()

    assert process.wait(5) == 0


def test_its_parent_alone_decides_when_it_ends(start):
    """Ctrl-C in a terminal reaches the whole group; the host needs its tables until it has ended."""
    process = start(free_port(), options=("--end-with-parent",))
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)

    assert process.wait(5) == 0


def test_a_kill_loses_nothing_that_was_acknowledged(start):
    port = free_port()
    process = start(port)
    process.stdout.readline()
    with service(port) as client:
        table = client.create_table("Kept")
        acknowledged: list[int] = []
        threading.Timer(0.7, process.kill).start()
        with pytest.raises(AzureError):
            for n in range(100_000):
                table.submit_transaction(
                    [("create", {"PartitionKey": "p", "RowKey": f"{n:06d}-{half}", "n": n}) for half in "ab"]
                )
                acknowledged.append(n)

    port = free_port()
    start(port).stdout.readline()
    with service(port) as client:
        found = [entity["RowKey"] for entity in client.get_table_client("Kept").list_entities()]
    kept = {int(key.split("-")[0]) for key in found}

    assert acknowledged
    assert kept >= set(acknowledged)
    assert len(found) == 2 * len(kept)


def test_an_etag_stays_valid_over_a_restart(start):
    port = free_port()
    first = start(port)
    first.stdout.readline()
    with service(port) as client:
        client.create_table("Kept").create_entity({"PartitionKey": "p", "RowKey": "r"})
        before = client.get_table_client("Kept").get_entity("p", "r").metadata["etag"]
    first.terminate()
    first.wait(5)
    start(port).stdout.readline()
    with service(port) as client:
        assert client.get_table_client("Kept").get_entity("p", "r").metadata["etag"] == before
