"""functionTimeout of host.json, for every kind of function that stays too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.host.harness import MANAGEMENT, Host

SOURCE = """
import asyncio
import os
import time
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
RUNS = []


def stay():
    while not Path(os.environ["LET_GO"]).exists():
        time.sleep(0.02)


@app.route(route="stays")
def stays_at_the_door(req: func.HttpRequest) -> str:
    stay()
    return "late"


@app.route(route="stays-async")
async def stays_async(req: func.HttpRequest) -> str:
    await asyncio.Event().wait()


@app.route(route="quick")
def quick(req: func.HttpRequest) -> str:
    return "here"


@app.activity_trigger(input_name="nothing")
def stays(nothing):
    stay()


@app.orchestration_trigger(context_name="context")
def calls(context):
    try:
        yield context.call_activity("stays", None)
    except Exception as error:
        return str(error).splitlines()[0]


@app.orchestration_trigger(context_name="context")
def stays_in_its_turn(context):
    RUNS.append(1)
    if len(RUNS) == 1:
        stay()
    return "at last"
    yield
"""
TOLD = "Timeout value of 00:00:01 was exceeded by function: Functions."


@pytest.fixture
def host(hosts: list[Host], tmp_path: Path) -> Host:
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text('{"version": "2.0", "functionTimeout": "00:00:01"}')
    (app / "function_app.py").write_text(SOURCE)
    hosts.append(Host(app, tmp_path / "state", environment={"LET_GO": str(tmp_path / "let_go")}).start())
    return hosts[-1]


@pytest.mark.parametrize(
    ("path", "name", "follows"),
    [
        ("stays", "stays_at_the_door", "Python cannot end its thread"),
        ("stays-async", "stays_async", "It is cancelled."),
    ],
)
def test_an_http_function(host: Host, path: str, name: str, follows: str) -> None:
    assert host.call("GET", f"/api/{path}").status == 500
    host.call("GET", "/api/quick")
    assert f"{TOLD}{name}" in host.log_text()
    assert host.log_text().count(follows) == 1


def test_an_activity_fails_and_its_orchestration_goes_on(host: Host) -> None:
    output = host.wait_for(host.start_instance("calls"), timeout=60)["output"]
    assert output == f"Activity function 'stays' failed: {TOLD}stays "


def test_an_orchestrator_is_run_again_once_its_code_has_returned(host: Host, tmp_path: Path) -> None:
    host.start_instance("stays_in_its_turn", "slow")
    host.wait_for(host.start_instance("calls"), timeout=60)
    assert f"{TOLD}stays_in_its_turn" in host.log_text()
    assert host.call("GET", f"{MANAGEMENT}/instances/slow").json["runtimeStatus"] in ("Pending", "Running")
    (tmp_path / "let_go").touch()
    assert host.wait_for("slow", timeout=60)["output"] == "at last"
