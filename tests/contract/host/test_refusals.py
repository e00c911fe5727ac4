"""What keeps a host from starting is told in one line that names the file or option and what to do; never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.host.database import Database
from tests.contract.host.harness import PROJECT, free_port

APP = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="x")
def x(req: func.HttpRequest) -> str:
    return "x"
"""
DURABLE = "extensions.durableTask.maxConcurrentActivityFunctions"


def start(folder: Path, *options: str, **environment: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a host that is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "local.host", "start", "--app", str(folder), "--state", str(folder / "state"), *options],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"functionTimeout": 5}, 'host.json: functionTimeout is 5; it must be a time span such as "00:05:00"'),
        ({"extensions": []}, "host.json: extensions is []; it must be an object, such as {}."),
        ({"extensions": {"durableTask": []}}, "host.json: extensions.durableTask is []; it must be an object"),
        (
            {"extensions": {"durableTask": {"maxConcurrentActivityFunctions": "x"}}},
            f'host.json: {DURABLE} is "x"; it must be a whole number, 1 or more.',
        ),
        (
            {"extensions": {"queues": {"batchSize": "a"}}},
            'host.json: extensions.queues.batchSize is "a"; it must be a whole number from 1 to 32.',
        ),
        ({"extensions": {"http": {"routePrefix": None}}}, "host.json: extensions.http.routePrefix is null; it must be"),
    ],
)
def test_a_host_json_that_cannot_be_used(app: Path, content: dict, told: str) -> None:
    (app / "host.json").write_text(json.dumps({"version": "2.0", **content}))
    code, lines = start(app, "--port", str(free_port()))
    assert (code, len(lines)) == (1, 1)
    assert f"ERROR: {app / told}" in lines[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"Host": {"LocalHttpPort": 70000}}, "Host.LocalHttpPort is '70000'; it must be a whole number from 1 to"),
        ({"Values": []}, "Values is []; it must be an object"),
    ],
)
def test_a_local_settings_json_that_cannot_be_used(app: Path, content: dict, told: str) -> None:
    (app / "local.settings.json").write_text(json.dumps(content))
    # Its own port counts only without --port.
    code, lines = start(app, *([] if "Host" in content else ["--port", str(free_port())]))
    assert (code, len(lines)) == (1, 1)
    assert f"ERROR: {app / 'local.settings.json'}: {told}" in lines[0]


def test_a_number_of_threads_that_is_none(app: Path) -> None:
    code, lines = start(app, "--port", str(free_port()), PYTHON_THREADPOOL_THREAD_COUNT="x")
    assert (code, len(lines)) == (1, 1)
    assert "ERROR: the setting PYTHON_THREADPOOL_THREAD_COUNT is 'x'; it must be a whole number, 1 or more." in lines[0]


def file_instead_of_folder(state: Path) -> None:
    state.write_text("")


def folder_instead_of_lock(state: Path) -> None:
    (state / "host.lock").mkdir(parents=True)


def folder_instead_of_database(state: Path) -> None:
    (state / "host.db").mkdir(parents=True)


def text_instead_of_database(state: Path) -> None:
    state.mkdir()
    (state / "host.db").write_text("no database " * 1000)


def half_of_a_database(state: Path) -> None:
    state.mkdir()
    Database(state / "host.db").close()
    content = (state / "host.db").read_bytes()
    (state / "host.db").write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (file_instead_of_folder, "the state folder {state} cannot be used (File exists"),
        (folder_instead_of_lock, "the state folder {state} cannot be used (Is a directory"),
        (folder_instead_of_database, "{state}/host.db cannot be used (unable to open database file)"),
        (text_instead_of_database, "{state}/host.db is damaged, or is no state file of this host"),
        (half_of_a_database, "{state}/host.db is damaged, or is no state file of this host"),
    ],
)
def test_a_state_folder_that_cannot_be_used(app: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(app / "state")
    code, lines = start(app, "--port", str(free_port()))
    assert (code, len(lines)) == (1, 1)
    assert "ERROR: " + told.format(state=app / "state") in lines[0]
    assert "--state" in lines[0]


@pytest.mark.parametrize("address", ["192.0.2.1", "::1", "no..host"])
def test_an_address_that_is_none_of_this_machine(app: Path, address: str) -> None:
    code, lines = start(app, "--port", str(free_port()), "--host", address)
    assert (code, len(lines)) == (2, 1)
    assert f"ERROR: --host {address} is no address of this machine (" in lines[0]
    assert "127.0.0.1" in lines[0]
    assert "--port" not in lines[0]


def test_settings_without_effect_are_told_before_the_app_is_loaded(app: Path) -> None:
    content = {"functions": ["a"], "extensions": {"http": {"hsts": {"isEnabled": True}}, "cosmosDB": {}, "nosuch": {}}}
    (app / "host.json").write_text(json.dumps({"version": "2.0", **content}))
    (app / "function_app.py").write_text("import sys\nsys.exit(7)\n")
    code, lines = start(app, "--port", str(free_port()))
    assert code == 1
    warnings = [line.split("WARNING: ")[1] for line in lines if "WARNING: " in line]
    assert [warning.split(": ")[1] for warning in warnings] == [
        "'functions' is known, but has no effect on this host",
        "'extensions.http.hsts' is known, but has no effect on this host",
        "'extensions.cosmosDB' is known, but has no effect on this host",
        "unknown extension 'extensions.nosuch'",
    ]
