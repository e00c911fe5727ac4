"""The endpoints that the suite runs against, each a program on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURITE = "azurite@3.37.0"
NPM_FOLDER = ROOT / ".local" / "npm"
INSTALL_SECONDS = 240
START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connection_string(port: int, key: str = KEY) -> str:
    endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
    return f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};TableEndpoint={endpoint};"


@contextmanager
def embedded(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "local.services.tables", "--port", str(port), "--state", str(folder)]
    with running(command, port, folder / "output.txt"):
        yield port


@contextmanager
def azurite(folder: Path) -> Iterator[int]:
    port = free_port()
    options = ["--tablePort", str(port), "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
    with running([azurite_program(), "--silent", *options], port, folder / "output.txt"):
        yield port


def azurite_program() -> str:
    """AZURITE_BIN, what is installed already, or what npm installs now; skips when there is none."""
    given = os.environ.get("AZURITE_BIN")
    if given:
        return given
    program = NPM_FOLDER / "node_modules" / ".bin" / "azurite-table"
    if not program.exists():
        install()
    return str(program)


def install() -> None:
    npm = shutil.which("npm")
    if not npm:
        pytest.skip(f"AZURITE IS NOT TESTED: npm, which installs {AZURITE}, is not here; or set AZURITE_BIN")
    NPM_FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(NPM_FOLDER), "--no-audit", "--no-fund", AZURITE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"AZURITE IS NOT TESTED: npm took more than {INSTALL_SECONDS} s to install {AZURITE}")
    if done.returncode:
        pytest.skip(f"AZURITE IS NOT TESTED: npm could not install {AZURITE}: {done.stderr.strip()[-300:]}")


@contextmanager
def running(command: list[str], port: int, output: Path) -> Iterator[None]:
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait_for_port(process, port, output)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_port(process: subprocess.Popen, port: int, output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{process.args} did not start:\n{output.read_text()}")
