"""Tables, a channel and hosts as processes of their own, for what measures or kills them one by one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "devstoreaccount1"
# Published for every emulator: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SECRET = "cloud-direct-line-secret"


class RefusedError(Exception):
    """An HTTP answer of 400 and above."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status


def call(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30) -> Any:
    """The decoded JSON answer; RefusedError or OSError otherwise."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=timeout) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(error.code, error.read().decode("utf-8", "replace")) from None
    return json.loads(text) if text else None


class Program:
    """One process that can be killed and started again on the same state."""

    def __init__(self, module: str, arguments: list[str], ready: str, log: Path, environ: dict[str, str]) -> None:
        self.argv = [sys.executable, "-m", module, *arguments, "--end-with-parent"]
        self.ready, self.log, self.environ = ready, log, environ
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,
                env={**os.environ, **self.environ},
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            try:
                call("GET", self.ready, timeout=2)
            except RefusedError as error:
                if error.status < 500:
                    return
            except OSError:
                pass
            else:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.argv[2]} is not ready:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                with suppress(OSError):
                    self.process.stdin.close()


class Cloud:
    """All of it below one folder; `hosts` on one Table endpoint, each with a state of its own."""

    def __init__(self, folder: Path, *, hosts: int = 1, options: tuple[str, ...] = (), **environ: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        tables_port, channel_port, *ports = free_ports(2 + hosts)
        self.channel = f"http://127.0.0.1:{channel_port}"
        self.hosts = [f"http://127.0.0.1:{port}" for port in ports]
        self.connection = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"TableEndpoint=http://127.0.0.1:{tables_port}/{ACCOUNT};"
        )
        self.tables_program = self._program(
            "local.services.tables", tables_port, "tables", f"http://127.0.0.1:{tables_port}/", {}
        )
        bot = ["--bot", f"{self.hosts[0]}/api/messages", "--secret", SECRET, *options]
        self.channel_program = self._program(
            "local.channel", channel_port, "channel", f"{self.channel}/healthz", {}, bot
        )
        self.host_programs = [
            self._host(port, f"host{number}", {**environ, "PUBLIC_URL": f"http://127.0.0.1:{port}"})
            for number, port in enumerate(ports)
        ]

    def _program(  # noqa: PLR0917  named after the command line
        self, module: str, port: int, name: str, ready: str, environ: dict[str, str], more: list[str] | None = None
    ) -> Program:
        arguments = ["--port", str(port), "--state", str(self.folder / name), *(more or [])]
        return Program(module, arguments, ready, self.folder / f"{name}.log", environ)

    def _host(self, port: int, name: str, environ: dict[str, str]) -> Program:
        values = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
        stack = {"TABLES_CONNECTION_STRING": self.connection, "BOT_TEAMS_SERVICE_URL": f"{self.channel}/teams/"}
        found = {**values, **stack, **environ}
        arguments = ["start", "--app", str(ROOT), "--port", str(port), "--state", str(self.folder / name)]
        ready = f"http://127.0.0.1:{port}/api/health"
        return Program("local.host", arguments, ready, self.folder / f"{name}.log", found)

    @property
    def programs(self) -> list[Program]:
        return [self.tables_program, self.channel_program, *self.host_programs]

    def __enter__(self) -> Cloud:  # noqa: PYI034  Self is of Python 3.11
        for program in self.programs:
            program.start(wait=False)
        for program in self.programs:
            program.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self.programs:
            program.kill()

    def api(self, method: str, path: str, body: Any = None, host: int = 0, timeout: float = 30) -> Any:
        """An API call to one host."""
        return call(method, f"{self.hosts[host]}/api/{path}", body, timeout=timeout)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the channel's own tools."""
        return call(method, f"{self.channel}/admin/{path}", body)

    def introduce(self, user: str, **grant: str) -> str:
        """Let a user write to the bot; the id of their conversation."""
        base, bearer = f"{self.channel}/v3/directline", {"Authorization": f"Bearer {SECRET}"}
        token = call("POST", f"{base}/tokens/generate", {"user": {"id": user}, **grant}, bearer)["token"]
        own = {"Authorization": f"Bearer {token}"}
        conversation: str = call("POST", f"{base}/conversations", {}, own)["conversationId"]
        activity = {"type": "message", "text": "hello", "from": {"id": user}}
        call("POST", f"{base}/conversations/{conversation}/activities", activity, own)
        return conversation

    def introduce_to(self, host: int, user: str, conversation: str) -> None:
        """Let a user write to another host than the channel's own, which keeps its own people."""
        activity = {
            "type": "message",
            "id": f"{conversation}|introduction",
            "channelId": "directline",
            "serviceUrl": self.channel,
            "conversation": {"id": conversation},
            "from": {"id": user},
            "recipient": {"id": "bot"},
            "text": "hello",
        }
        call("POST", f"{self.hosts[host]}/api/messages", activity)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
