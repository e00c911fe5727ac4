"""What makes a developer's day: hot reload, a clock to move, what is left over shown at start."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.contract.host.harness import APPS, Host

SOURCE = """
import azure.durable_functions as df
import azure.functions as func
import words

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="word")
def word(req: func.HttpRequest) -> str:
    return words.WORD


@app.orchestration_trigger(context_name="context")
def flow(context):
    result = yield context.call_activity("say", None)
    return result


@app.activity_trigger(input_name="nothing")
def say(nothing):
    return words.WORD
"""

HOLDS = """

@app.route(route="hold")
async def hold(req: func.HttpRequest) -> str:
    import asyncio
    import pathlib
    pathlib.Path("held").touch()
    await asyncio.sleep(60)
    return "late"
"""


def test_reload(hosts: list[Host], tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text('{"version": "2.0"}')
    (app / "function_app.py").write_text(SOURCE)
    (app / "words.py").write_text("WORD = 'one'\n")
    host = Host(app, tmp_path / "state", "--reload").start()
    hosts.append(host)
    assert host.call("GET", "/api/word").text == "one"
    (app / "words.py").write_text("WORD = 'three'\n")
    assert said(host, "three")
    assert host.wait_for(host.start_instance("flow"))["output"] == "three"
    (app / "words.py").write_text("WORD = broken\n")
    wait_until(lambda: "words.py:1: NameError" in host.log_text())
    assert host.call("GET", "/api/word").text == "three"
    (app / "words.py").write_text("WORD = 'fourteen'\n")
    assert said(host, "fourteen")


def test_nothing_is_loaded_once_the_host_is_told_to_end(hosts: list[Host], tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text('{"version": "2.0"}')
    (app / "function_app.py").write_text(SOURCE + HOLDS)
    (app / "words.py").write_text("WORD = 'one'\n")
    host = Host(app, tmp_path / "state", "--reload").start()
    hosts.append(host)
    # As long as this request runs, the host has something to wait for.
    held = threading.Thread(target=ask, args=(host, "/api/hold"))
    held.start()
    wait_until((app / "held").exists)
    host.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Host stopping" in host.log_text())
    (app / "words.py").write_text("import pathlib\npathlib.Path('loaded').touch()\nWORD = 'three'\n")
    assert host.process.wait(60) == 0
    held.join(60)
    assert not (app / "loaded").exists()
    assert "loading the app again" not in host.log_text()


def ask(host: Host, path: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):  # the host ends before it answers
        host.call("GET", path)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def said(host: Host, word: str) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if host.call("GET", "/api/word").text == word:
            return True
        time.sleep(0.05)
    return False


def test_unfinished_instances_are_shown_and_cleared_by_one_command(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "patterns", tmp_path / "state").start()
    hosts.append(host)
    for number in range(7):
        host.start_instance("ask_approval", f"left-{number}", 3600)
    host.kill()
    again = Host(host.app, host.state)
    again.log.unlink()
    hosts.append(again.start())
    log = again.log_text()
    assert "7 unfinished instances" in log
    assert "ask_approval left-0: " in log
    assert "… and 2 more" in log
    command = next(line for line in log.splitlines() if "curl -X DELETE" in line)
    path = command.split("'")[1].replace("localhost", "127.0.0.1")
    assert again.call("DELETE", path).json == {"instancesDeleted": 7}
    assert again.status("left-0") == {}


def test_the_clock_moves_over_days_in_milliseconds(hosts: list[Host], tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(Path(__file__).parent / "apps" / "calendar", app)
    host = Host(app, tmp_path / "state", "--test-clock").start()
    hosts.append(host)
    start = host.call("POST", "/admin/clock", {"now": "2031-01-01T00:00:00Z"}).json
    assert start == {"now": "2031-01-01T00:00:00.000000Z", "settled": True}
    mornings = host.call("GET", "/api/mornings").json
    host.start_instance("three_days", "trip")
    host.wait_for("trip", "Running")
    moved = host.call("POST", "/admin/clock", {"advance": "5.00:00:00"}, timeout=60).json
    assert moved == {"now": "2031-01-06T00:00:00.000000Z", "settled": True}
    status = host.wait_for("trip")
    assert status["output"] == ["2031-01-02T00:00:00+00:00", "2031-01-03T00:00:00+00:00", "2031-01-04T00:00:00+00:00"]
    assert status["lastUpdatedTime"] == "2031-01-04T00:00:00Z"
    assert host.call("GET", "/api/mornings").json == mornings + 5


def test_retries_of_a_timer_follow_the_clock(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "calendar", tmp_path / "state", "--test-clock").start()
    hosts.append(host)
    host.call("POST", "/admin/clock", {"now": "2031-01-01T00:00:00Z"})
    before = host.call("GET", "/api/evenings").json
    # Without following the clock, the 22 pauses of 20 seconds would outlast this by far.
    moved = host.call("POST", "/admin/clock", {"advance": "11.00:00:00"}, timeout=60).json
    assert moved == {"now": "2031-01-12T00:00:00.000000Z", "settled": True}
    assert host.call("GET", "/api/evenings").json == before + 3 * 11


def test_the_clock_cannot_leave_the_calendar(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "calendar", tmp_path / "state", "--test-clock").start()
    hosts.append(host)
    for advance in (1e300, 1e12, "999999999.00:00:00", "9999999999.00:00:00"):
        answer = host.call("POST", "/admin/clock", {"advance": advance})
        assert answer.status == 400
        assert "9999" in answer.text


def test_the_clock_stays_where_it_is_without_being_moved_and_over_a_restart(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(Path(__file__).parent / "apps" / "calendar", tmp_path / "state", "--test-clock").start()
    hosts.append(host)
    now = host.call("POST", "/admin/clock", {"now": "2028-01-01T00:00:00Z"}).json["now"]
    time.sleep(0.05)
    assert host.call("GET", "/admin/clock").json["now"] == now
    assert host.call("POST", "/admin/clock", {"now": "2027-01-01T00:00:00Z"}).status == 400
    assert host.call("POST", "/admin/clock", {"advance": -1}).status == 400
    assert host.call("POST", "/admin/clock", {}).status == 400
    host.kill()
    again = Host(host.app, host.state, "--test-clock").start()
    hosts.append(again)
    assert again.call("GET", "/admin/clock").json["now"] == now


def test_without_a_test_clock_there_is_none_to_move(doors: Host) -> None:
    assert doors.call("POST", "/admin/clock", {"advance": 1}).status == 404
