"""`python3 dev.py up` as its user starts it, with ports and a state folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from azure.data.tables import TableServiceClient

from ringback.settings import DEVELOPMENT_KEY
from tests.e2e.directline import HttpError, request

ROOT = Path(__file__).resolve().parents[2]
MANAGEMENT = "/runtime/webhooks/durabletask"
ENDED = {"Completed", "Failed", "Terminated", "Canceled"}


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Stack:
    """The local cloud; `start` and `kill` may be called again and again on the same state."""

    def __init__(
        self, state: Path, environ: dict[str, str] | None = None, options: tuple[str, ...] = (), root: Path = ROOT
    ) -> None:
        self.state, self.environ, self.options, self.root = state, environ or {}, options, root
        self.port, self.channel_port, self.tables_port, self.outbox_port, self.smtp_port = free_ports(5)
        self.host = f"http://127.0.0.1:{self.port}"
        self.channel = f"http://127.0.0.1:{self.channel_port}"
        self.outbox = f"http://127.0.0.1:{self.outbox_port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.log = state.parent / f"{state.name}.log"

    def start(self, wait: bool = True) -> None:
        argv = [sys.executable, "dev.py", "up", "--port", str(self.port), "--channel-port", str(self.channel_port)]
        argv += ["--tables-port", str(self.tables_port), "--outbox-port", str(self.outbox_port)]
        argv += ["--smtp-port", str(self.smtp_port), "--state", str(self.state), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=self.root,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **self.environ},
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            with suppress(OSError, HttpError):
                if request("GET", f"{self.host}/admin/host/status", timeout=2)["state"] == "Running":
                    return
            time.sleep(0.1)
        raise AssertionError(f"dev.py up is not ready; its log ends:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """kill -9 of dev.py and of everything it started, at once: they share a process group."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=25)

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return request(method, f"{self.host}/api/{path}", body, headers)

    def status(self, instance: str, query: str = "") -> dict[str, Any]:
        """The Durable status of an instance."""
        found: dict[str, Any] = request("GET", f"{self.host}{MANAGEMENT}/instances/{instance}{query}")
        return found

    def ledger_row(self, operation: str) -> dict[str, Any]:
        """What the ledger says of the delivery of an operation's last word."""
        endpoint = f"http://127.0.0.1:{self.tables_port}/devstoreaccount1"
        connection = f"AccountName=devstoreaccount1;AccountKey={DEVELOPMENT_KEY};TableEndpoint={endpoint}"
        with TableServiceClient.from_connection_string(connection) as service:
            table = service.get_table_client("ledger")
            return dict(table.get_entity(operation.split("-", maxsplit=1)[0], f"{operation}-result"))

    def wait_delivered(self, operation: str, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while (row := self.ledger_row(operation))["State"] != "delivered":
            assert time.monotonic() < end, row
            time.sleep(0.1)
        return row

    def wait_ended(self, instance: str, seconds: float = 90) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            with suppress(OSError, HttpError):
                status = self.status(instance)
                if status["runtimeStatus"] in ENDED:
                    return status
            assert time.monotonic() < end, f"{instance} has not ended: {self.status(instance)}"
            time.sleep(0.1)
