"""Starts the real command as a subprocess and talks HTTP to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]
APPS = Path(__file__).parent / "apps"
MANAGEMENT = "/runtime/webhooks/durabletask"
FINAL = ("Completed", "Failed", "Terminated", "Canceled")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Host:
    """One host process. `state` survives it: a second Host on the same folder goes on where this one ended."""

    def __init__(self, app: Path, state: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.app, self.state, self.options = app, state, options
        self.environment = environment or {}
        self.port = free_port()
        self.log = state.parent / f"{state.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> Host:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "local.host", "start", "--app", str(self.app), "--port", str(self.port)),
                    *("--state", str(self.state), *self.options),
                ],
                cwd=PROJECT,
                stdout=out,
                stderr=out,
                stdin=subprocess.PIPE,
                env={**os.environ, **self.environment},
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, timeout: float = 30) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.call("GET", "/admin/host/ping").status == 200:
                    return
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the host did not come up:\n{self.log_text()}")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    # -- HTTP

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> Answer:
        """`body`: bytes go as they are, anything else as JSON. No status raises, no redirect is followed."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = dict(headers or {})
        if data is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def start_instance(self, name: str, instance_id: str | None = None, value: Any = None, **query: Any) -> str:
        """Start as the Python client does: the input is JSON inside JSON."""
        path = f"{MANAGEMENT}/orchestrators/{name}" + (f"/{urllib.parse.quote(instance_id)}" if instance_id else "")
        answer = self.call("POST", path + _query(query), None if value is None else json.dumps(value))
        assert answer.status == 202, answer.text
        return answer.json["id"]

    def status(self, instance_id: str, **query: Any) -> dict[str, Any]:
        answer = self.call("GET", f"{MANAGEMENT}/instances/{urllib.parse.quote(instance_id, safe='')}" + _query(query))
        return answer.json if answer.body else {}

    def wait_for(self, instance_id: str, *wanted: str, timeout: float = 20) -> dict[str, Any]:
        """The status once it is one of `wanted`, by default any final one."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            status = self.status(instance_id)
            if status and status["runtimeStatus"] in (wanted or FINAL):
                return status
            time.sleep(0.02)
        raise AssertionError(f"{instance_id} is still {status}:\n{self.log_text()[-3000:]}")

    def operate(self, instance_id: str, operation: str, body: Any = None, **query: Any) -> Answer:
        path = f"{MANAGEMENT}/instances/{urllib.parse.quote(instance_id, safe='')}/{operation}" + _query(query)
        return self.call("POST", path, body)


def _query(query: dict[str, Any]) -> str:
    return "?" + urllib.parse.urlencode(query) if query else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
