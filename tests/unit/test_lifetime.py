"""A program ends when the pipe from its parent closes, and for any other reason without complaint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys, time; from local.lifetime import end_with_parent; end_with_parent(); time.sleep(0.2); {}"


@pytest.fixture
def start():
    started = []

    def make(then: str) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM.format(then)], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stderr.close()


def test_a_closed_pipe_is_a_sigterm(start):
    process = start("time.sleep(60)")
    process.stdin.close()

    assert process.wait(10) == -15


@pytest.mark.parametrize("code", [0, 2])
def test_a_program_may_end_before_its_parent(start, code):
    process = start(f"sys.exit({code})")

    assert process.wait(10) == code
    assert process.stderr.read() == b""
