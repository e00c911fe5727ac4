"""The program as `dev.py up` starts it: ready line, ports, signals, kill -9, its parent's end."""

from __future__ import annotations

import json
import signal
import smtplib
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.contract.outbox.conftest import free_ports

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(60)


class Program:
    def __init__(self, state: Path, *options: str) -> None:
        self.port, self.smtp_port = free_ports()
        ports = ["--port", str(self.port), "--smtp-port", str(self.smtp_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.services.outbox", *ports, "--state", str(state), *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> Program:
        line = self.process.stdout.readline()
        assert line == f"The outbox is ready at http://127.0.0.1:{self.port}/ and smtp://127.0.0.1:{self.smtp_port}\n"
        return self

    def mail(self, subject: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as client:
            client.sendmail("a@example.org", ["b@example.org"], f"Subject: {subject}\r\n\r\nhello\r\n")

    def subjects(self) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/outbox", timeout=10) as answer:
            return [message["subject"] for message in json.load(answer)["messages"]]


@pytest.fixture
def start(tmp_path):
    programs = []

    def make(*options: str) -> Program:
        programs.append(Program(tmp_path / "state", *options))
        return programs[-1]

    yield make
    for program in programs:
        program.process.kill()
        program.process.wait()
        for pipe in (program.process.stdin, program.process.stdout, program.process.stderr):
            pipe.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_a_client_connected(start, number):
    program = start().ready()
    with socket.create_connection(("127.0.0.1", program.smtp_port)) as client:
        assert client.recv(100).startswith(b"220 ")
        program.process.send_signal(number)
        assert program.process.wait(5) == 0
    assert program.process.stderr.read() == ""


def test_it_ends_with_its_parent(start):
    program = start("--end-with-parent").ready()
    program.process.send_signal(signal.SIGINT)
    program.mail("still here")
    program.process.stdin.close()
    assert program.process.wait(5) == 0


def test_nothing_kept_is_lost_by_a_kill(start):
    first = start().ready()
    for number in range(5):
        first.mail(f"mail {number}")
    first.process.kill()
    first.process.wait()
    assert start().ready().subjects() == [f"mail {number}" for number in range(5)]


@pytest.mark.parametrize("option", ["--port", "--smtp-port"])
def test_a_taken_port_is_named_with_its_option(start, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start(option, str(port))
        assert program.process.wait(20) == 2
    assert program.process.stderr.read() == f"Port {port} is taken: give another one with {option}.\n"
