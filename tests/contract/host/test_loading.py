"""Loading an app: its own modules win; what is wrong is said with file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.host.harness import APPS, PROJECT, Host, free_port


def test_an_apps_own_modules_win_and_it_runs_in_its_folder(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "rooms", tmp_path / "state").start()
    hosts.append(host)
    own = "own activities,own entities,own orchestrators,own local"
    assert host.call("GET", "/api/rooms").text == f"{own},{APPS / 'rooms'}"
    assert host.wait_for(host.start_instance("furnish"))["output"] == "a chair"


def test_it_starts_from_any_working_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROJECT / "local" / "host"), "start", "--app", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert "no host.json" in done.stdout


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nosuchmodule\n", "function_app.py:1: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("x = (\n", "function_app.py:1: SyntaxError"),
        ("import helper\n", "helper.py:2: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "function_app.py:2: SystemExit: 3"),
        ("pass\n", "exactly one FunctionApp or DFApp, and holds 0"),
        (
            "import azure.functions as func\na = func.FunctionApp()\nb = func.FunctionApp()\n",
            "exactly one FunctionApp or DFApp, and holds 2",
        ),
        (
            (
                "import azure.functions as func\napp = func.FunctionApp()\n"
                "@app.route(route='x')\ndef x(req, surplus):\n    return ''\n"
            ),
            "function x has parameters that no binding fills: surplus",
        ),
        (
            (
                "import azure.functions as func\napp = func.FunctionApp()\n"
                "@app.route(route='x/{id:nosuch}')\ndef x(req):\n    return ''\n"
            ),
            "constraint 'nosuch'",
        ),
    ],
)
def test_what_is_wrong_with_an_app_is_said(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "function_app.py").write_text(source)
    (tmp_path / "helper.py").write_text("\n1 / 0\n")
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    done = subprocess.run(
        [sys.executable, "-m", "local.host", "start", "--app", str(tmp_path), "--port", str(free_port())],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert told in done.stdout, done.stdout
