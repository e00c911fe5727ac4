"""pip, with as much of what it says as a person wants to see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from local.dev.errors import DevError

_STEP = re.compile(r"\s*(Collecting|Downloading|Building wheel for|Installing collected packages)[: ]+(\S+)?")
_PIP_OPTIONS = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
_TAIL_LINES = 15


def install(python: Path, requirements: Path) -> None:
    """Install a requirements file into the environment of `python`; raises DevError."""
    count = sum(1 for line in _lines(requirements) if not line.startswith("-"))
    print(f"Installing {requirements.name} ({count} packages and what they need; once, a minute or two) …", flush=True)
    command = [str(python), "-m", "pip", "install", *_PIP_OPTIONS, "-r", str(requirements)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PIP_USER": "0"},  # a user's habit of --user fails in a virtual environment
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    if process.stdout:
        with process.stdout as output:
            _show(output, tail)
    if process.wait():
        raise DevError(
            "\n".join(tail) + f"\npip could not install {requirements.name}; the end of its words is above. It needs"
            " the network and has settings of its own (pip.conf, PIP_INDEX_URL, HTTPS_PROXY). Then run this again.",
            code=1,
        )
    print(f"Installed {requirements.name}.", flush=True)


def _lines(requirements: Path) -> list[str]:
    lines = (line.strip() for line in requirements.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _show(output: Iterable[str], tail: deque[str]) -> None:
    """One line that changes on a terminal, one line for each package elsewhere."""
    terminal = sys.stdout.isatty()
    for line in output:
        tail.append(line.rstrip())
        step = _STEP.match(line)
        if not step:
            continue
        text = step[1] if step[1].startswith("Installing") else f"{step[1]} {step[2] or ''}"
        if terminal:
            print(f"\r\033[K  {text[:70]}", end="", flush=True)
        elif not step[1].startswith("Downloading"):
            print(f"  {text}", flush=True)
    if terminal:
        print("\r\033[K", end="", flush=True)
