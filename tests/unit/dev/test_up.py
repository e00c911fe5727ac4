from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ("tables", "outbox", "channel", "host")
pytestmark = pytest.mark.timeout(60)


class Stack:
    """One `dev.py up` of stand-ins, in a process group of its own."""

    def __init__(
        self, folder: Path, behaviour: dict, *, state: Path | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self.log = folder / "log.jsonl"
        self.output = folder / "output.txt"
        self.ports = free_ports()
        names = ("--port", "--channel-port", "--tables-port", "--outbox-port", "--smtp-port")
        given = [word for name, port in zip(names, self.ports, strict=True) for word in (name, str(port))]
        command = [sys.executable, "-m", "tests.unit.dev.driver", str(self.log), json.dumps(behaviour), *given]
        with self.output.open("w") as sink:
            self.process = subprocess.Popen(
                [*command, "--state", str(state or folder / "state"), *options],
                cwd=ROOT,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def events(self, name: str, event: str) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [found for found in map(json.loads, lines) if (found["name"], found["event"]) == (name, event)]

    def until(self, condition, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)

    def ready(self) -> Stack:
        self.until(lambda: "Ringback is ready." in self.text)
        return self

    def pids(self) -> set[int]:
        return {found["pid"] for name in PROGRAMS for found in self.events(name, "start")}

    def environment(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/environment") as response:
            return json.load(response)


@pytest.fixture
def start(tmp_path):
    stacks: list[Stack] = []

    def make(behaviour: dict | None = None, **options) -> Stack:
        folder = tmp_path / str(len(stacks))
        folder.mkdir()
        stacks.append(Stack(folder, behaviour or {}, **options))
        return stacks[-1]

    yield make
    for stack in stacks:
        for pid in [stack.process.pid, *stack.pids()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        stack.process.wait()


def free_ports() -> tuple[int, ...]:
    probes = [socket.socket() for _ in range(5)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = tuple(probe.getsockname()[1] for probe in probes)
    for probe in probes:
        probe.close()
    return ports


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def assert_gone(stack: Stack) -> None:
    assert not [pid for pid in stack.pids() if alive(pid)]
    # A process whose first thread has ended is a zombie; its sockets are closed when the last one has.
    stack.until(lambda: not [port for port in stack.ports if listens(port)])


def test_the_host_starts_once_the_others_answer(start):
    stack = start({"tables": ["--delay", "0.5"], "outbox": ["--delay", "0.6"], "channel": ["--delay", "0.8"]}).ready()

    for name in PROGRAMS[:3]:
        assert stack.events("host", "start")[0]["at"] > stack.events(name, "serving")[0]["at"]
    for port in stack.ports[:4]:
        assert f"http://127.0.0.1:{port}/" in stack.text
    assert f"smtp://127.0.0.1:{stack.ports[4]}" in stack.text


def test_all_are_in_the_process_group_of_dev_py(start):
    stack = start().ready()

    assert {stack.events(name, "start")[0]["group"] for name in PROGRAMS} == {stack.process.pid}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_a_signal_ends_everything(start, number, code):
    stack = start().ready()
    stack.process.send_signal(number)

    assert stack.process.wait(20) == code
    assert_gone(stack)
    assert "Traceback" not in stack.text
    ends = [stack.events(name, "end")[0]["at"] for name in reversed(PROGRAMS)]
    assert min(ends) == ends[0]


def test_control_c_reaches_the_whole_group_and_is_handled_once(start):
    stack = start().ready()
    os.killpg(stack.process.pid, signal.SIGINT)

    assert stack.process.wait(20) == 130
    assert_gone(stack)
    assert "Traceback" not in stack.text
    assert stack.text.count("Ending") == 1
    assert "starting it again" not in stack.text


def test_programs_gone_before_dev_py_sees_its_own_control_c_are_not_started_again(start):
    stack = start().ready()
    os.kill(stack.process.pid, signal.SIGSTOP)
    os.killpg(stack.process.pid, signal.SIGINT)
    stack.until(lambda: all(stack.events(name, "end") for name in PROGRAMS))
    os.kill(stack.process.pid, signal.SIGCONT)

    assert stack.process.wait(20) == 130
    assert_gone(stack)
    assert "starting it again" not in stack.text


def test_a_signal_before_it_is_ready(start):
    stack = start({"tables": ["--delay", "30"]})
    stack.until(lambda: stack.events("channel", "serving") and stack.events("tables", "start"))
    stack.process.send_signal(signal.SIGTERM)

    assert stack.process.wait(20) == 0
    assert_gone(stack)


def test_a_program_that_does_not_end_is_killed(start):
    stack = start({"host": ["--stubborn"], "channel": ["--stubborn"]}).ready()
    began = time.monotonic()
    stack.process.send_signal(signal.SIGTERM)

    assert stack.process.wait(20) == 0
    assert time.monotonic() - began < 15
    assert_gone(stack)


def test_a_second_signal_ends_at_once(start):
    stack = start({"host": ["--stubborn"]}).ready()
    began = time.monotonic()
    stack.process.send_signal(signal.SIGINT)
    stack.until(lambda: "Ending" in stack.text)
    stack.process.send_signal(signal.SIGINT)

    assert stack.process.wait(20) == 130
    assert time.monotonic() - began < 3.5
    assert_gone(stack)


def test_a_kill_leaves_nothing_behind(start):
    stack = start().ready()
    stack.process.kill()
    stack.process.wait()

    stack.until(lambda: not [pid for pid in stack.pids() if alive(pid)])
    assert_gone(stack)


def test_after_a_kill_the_same_state_is_taken_up(start, tmp_path):
    first = start(state=tmp_path / "shared").ready()
    key = first.environment()["SIGNING_KEY"]
    first.process.kill()
    first.process.wait()
    second = start(state=tmp_path / "shared").ready()

    assert second.environment()["SIGNING_KEY"] == key


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_dies_is_started_again(start, name):
    stack = start().ready()
    os.kill(stack.events(name, "start")[0]["pid"], signal.SIGKILL)
    stack.until(lambda: len(stack.events(name, "serving")) == 2)

    assert f"{name} was ended by SIGKILL; starting it again (1 of 5 a minute)." in stack.text
    stack.process.send_signal(signal.SIGTERM)
    assert stack.process.wait(20) == 0
    assert_gone(stack)


def test_a_program_that_keeps_dying_ends_everything(start):
    stack = start({"channel": ["--exit-code", "7", "--say", "the reason"]})

    assert stack.process.wait(20) == 1
    assert len(stack.events("channel", "start")) == 6
    assert "channel ended with exit code 7; it ended 6 times within a minute." in stack.text
    assert "channel | the reason" in stack.text
    assert_gone(stack)


def test_a_program_that_refuses_its_options_is_not_tried_again(start):
    stack = start({"tables": ["--exit-code", "2"]})

    assert stack.process.wait(20) == 1
    assert len(stack.events("tables", "start")) == 1
    assert "tables cannot run with these options" in stack.text
    assert_gone(stack)


def test_a_taken_port_is_named_with_its_option(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = start(options=("--channel-port", str(port)))

        assert stack.process.wait(20) == 2
    assert stack.text.strip() == f"Port {port} is taken: end what uses it, or choose another one with --channel-port."
    assert not stack.pids()


def test_two_stacks_do_not_share_a_state_folder(start, tmp_path):
    first = start(state=tmp_path / "shared").ready()
    second = start(state=tmp_path / "shared")

    assert second.process.wait(20) == 2
    assert f"process {first.process.pid}" in second.text
    assert "--state" in second.text


def test_two_stacks_beside_each_other(start):
    for stack in [start(), start()]:
        stack.ready()


def test_lines_carry_the_name_of_their_program(start):
    stack = start({"tables": ["--say", "x", "--times", "200000"]}).ready()

    assert f"tables  | {'x' * 200_000}\n" in stack.text
    assert "tables  | last\n" in stack.text
    assert "\033[" not in stack.text


def test_the_host_gets_what_the_stack_decides(start):
    stack = start().ready()
    found = stack.environment()

    assert f"TableEndpoint=http://127.0.0.1:{stack.ports[2]}/devstoreaccount1;" in found["TABLES_CONNECTION_STRING"]
    assert found["PUBLIC_URL"] == f"http://127.0.0.1:{stack.ports[0]}"
    assert found["BOT_ALLOW_ANONYMOUS"] == "true"
    assert found["ACS_CONNECTION_STRING"].startswith(f"endpoint=http://127.0.0.1:{stack.ports[3]}/;accesskey=")
    assert found["SMS_FROM"]
    assert found["EMAIL_FROM"]
    assert len(found["SIGNING_KEY"]) >= 32
