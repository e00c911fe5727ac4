"""The same tests on `dev.py up` or, with `--host=URL`, on any other host beside a channel of their own."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.directline import Chat, HttpError, request
from tests.e2e.stack import ROOT, Stack

USERS = itertools.count(1)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running local cloud, shared by the tests that leave it running."""
    found = Stack(tmp_path_factory.mktemp("stack") / "state")
    url = request.config.getoption("--host")
    if url:
        found.host = url.rstrip("/")
        channel = start_channel(found)
        yield found
        channel.terminate()
        channel.wait()
        return
    found.start()
    yield found
    found.kill()


def start_channel(stack: Stack) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "dev.py", "channel", "--bot", f"{stack.host}/api/messages"]
    argv += ["--port", str(stack.channel_port), "--state", str(stack.state / "channel")]
    process = subprocess.Popen(argv, cwd=ROOT)
    for _ in range(300):
        with suppress(OSError, HttpError):
            request("GET", f"{stack.channel}/healthz")
            return process
        time.sleep(0.1)
    raise AssertionError("the channel did not start")


@pytest.fixture
def own_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack that a test may kill; not for other hosts."""
    if request.config.getoption("--host"):
        pytest.skip("kills its host: only for `dev.py up`")
    found = Stack(tmp_path / "state")
    yield found
    found.kill()


@pytest.fixture
def chat(stack: Stack) -> Chat:
    return Chat(stack.channel, f"dl_person{next(USERS)}_{time.time_ns()}")


@pytest.fixture
def known(chat: Chat) -> Chat:
    """Somebody who has written to the bot."""
    chat.ask("hello", "Hello")
    return chat


class JobSystem:
    """Another system, reachable by HTTP: keeps the jobs it was given, and answers with the statuses it was told."""

    def __init__(self) -> None:
        system = self
        self.jobs: list[dict[str, object]] = []
        self.statuses: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import json

                system.jobs.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(system.statuses.pop(0) if system.statuses else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jobs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def job_system() -> Iterator[JobSystem]:
    system = JobSystem()
    yield system
    system.close()
