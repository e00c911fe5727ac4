"""The host on a test clock, with tables and a channel: nights pass in seconds, also those of next year."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from local.dev.settings import channel_environment, host_environment
from tests.e2e.directline import HttpError, request
from tests.e2e.stack import ROOT, Stack


class ClockedStack(Stack):
    """A stack whose host's time stands still until `move`; `leap` takes it to another season."""

    def start(self, wait: bool = True) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self._others = [
            self._run("-m", "local.services.tables", "--port", self.tables_port, "--state", self.state / "tables"),
            self._run(
                *("-m", "local.channel", "--bot", f"{self.host}/api/messages"),
                *("--port", self.channel_port, "--state", self.state / "channel"),
                environ=channel_environment(),
            ),
        ]
        self._wait(f"http://127.0.0.1:{self.tables_port}/healthz")
        self._wait(f"{self.channel}/healthz")
        self._start_host()

    def leap(self, moment: datetime) -> None:
        """Go to `moment` without living through the time before it."""
        self._end(self.process)
        with sqlite3.connect(self.state / "host" / "host.db") as database:
            database.execute("REPLACE INTO meta VALUES ('clock', ?)", (str(int(moment.timestamp() * 1_000_000)),))
        database.close()
        self._start_host()

    def move(self, moment: datetime) -> None:
        """Let the time pass until `moment`, with all that falls due on the way."""
        answer = request("POST", f"{self.host}/admin/clock", {"now": moment.isoformat()}, timeout=120)
        assert answer["settled"]

    def kill(self) -> None:
        for process in (self.process, *getattr(self, "_others", [])):
            self._end(process)

    def _start_host(self) -> None:
        ports = {"outbox_port": self.outbox_port, "channel_port": self.channel_port}
        environ = host_environment(ROOT, self.state, self.port, self.tables_port, **ports)
        options = ("--port", self.port, "--state", self.state / "host", "--test-clock")
        self.process = self._run("-m", "local.host", "start", "--app", ROOT, *options, environ=environ)
        self.wait_ready()

    def _run(self, *argv: object, environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, *map(str, argv)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ or dict(os.environ)
            )

    def _wait(self, url: str) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(OSError, HttpError, ValueError):
                request("GET", url, timeout=2)
                return
            time.sleep(0.1)
        raise AssertionError(f"{url} does not answer:\n{self.log.read_text(errors='replace')[-2000:]}")

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def next_jumps(zone: str) -> list[datetime]:
    """Local midnights before the next clock change forward and the next one back."""
    found: dict[bool, datetime] = {}
    day = datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    while len(found) < 2:
        after = day + timedelta(days=1)
        if day.utcoffset() != after.utcoffset():
            found.setdefault(after.utcoffset() > day.utcoffset(), day)
        day = after
    return sorted(found.values())


def utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
