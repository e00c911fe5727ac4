"""HTTP functions, timers, /admin: what a caller sees."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.host import http_triggers
from tests.contract.host.harness import APPS, Host


def test_everything_of_a_request_arrives(doors: Host) -> None:
    answer = doors.call("PUT", "/api/echo/a%20b/c?x=1&x=2&y=", b"12345", {"X-One": "1"})
    body = answer.json
    assert answer.status == 200
    assert answer.headers["X-Echo"] == "yes"
    assert answer.headers["Content-Type"] == "application/json"
    assert (body["method"], body["size"], body["route"]) == ("PUT", 5, {"rest": "a b/c"})
    assert body["params"] == {"x": "1,2", "y": ""}
    assert body["headers"]["x-one"] == "1"
    assert body["url"].startswith(doors.url + "/api/echo/")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/items/5", 200, '["5", "item", true]'),
        ("GET", "/API/ITEMS/5", 200, '["5", "item", true]'),
        ("GET", "/api/items/lamp", 200, "named lamp"),
        ("GET", "/api/items", 200, "named nobody"),
        ("GET", "/api/items/5x", 404, ""),
        ("POST", "/api/items/5", 404, ""),
        ("GET", "/api/nosuch", 404, ""),
        ("GET", "/items/5", 404, ""),
        ("GET", "/api/raises", 500, ""),
        ("GET", "/api/nothing", 500, ""),
        ("GET", "/api/guarded", 200, "in"),
        ("GET", "/runtime/webhooks/nosuch", 404, ""),
    ],
)
def test_routes(doors: Host, method: str, path: str, status: int, text: str) -> None:
    answer = doors.call(method, path)
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize(("path", "told"), [("exits", "SystemExit: 3"), ("exits-async", "SystemExit: 4")])
def test_a_function_that_exits_does_not_end_the_host(doors: Host, path: str, told: str) -> None:
    assert doors.call("GET", f"/api/{path}").status == 500
    assert doors.call("GET", "/admin/host/ping").status == 200
    assert told in doors.log_text()


def test_bytes_statuses_and_repeated_headers(doors: Host) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", doors.port)
    connection.request("GET", "/api/cookies")
    response = connection.getresponse()
    assert (response.status, response.read()) == (418, b"\x00\xff")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["Content-Type"] == "application/octet-stream"
    connection.close()


def test_a_body_of_sixty_megabytes(doors: Host) -> None:
    assert doors.call("POST", "/api/echo/big", b"x" * 60_000_000).json["size"] == 60_000_000


def test_a_body_over_the_limit_is_refused(doors: Host) -> None:
    answer = doors.call("POST", "/api/echo/big", b"x" * 105_000_000)
    assert answer.status == 413
    assert doors.call("GET", "/api/items/1").status == 200


def test_a_body_over_the_limit_is_refused_before_it_is_sent(doors: Host) -> None:
    with socket.create_connection(("127.0.0.1", doors.port), timeout=30) as connection:
        connection.sendall(b"POST /api/echo/big HTTP/1.1\r\nHost: h\r\nContent-Length: 104857601\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_tell_its_length_is_refused_once_it_is_over_the_limit() -> None:
    async def pieces():
        yield b"123"
        yield b"45"

    request = SimpleNamespace(client_max_size=5, content_length=None, content=SimpleNamespace(iter_any=pieces))
    assert await http_triggers._body(request) == b"12345"
    request.client_max_size = 4
    with pytest.raises(http_triggers.BodyTooLargeError):
        await http_triggers._body(request)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize("way", ["in", "out"])
def test_a_large_body_is_in_memory_once(hosts: list[Host], tmp_path: Path, way: str) -> None:
    host = Host(APPS / "doors", tmp_path / "state").start()
    hosts.append(host)
    before = peak_megabytes(host)
    if way == "in":
        assert host.call("POST", "/api/echo/big", b"x" * 80_000_000).json["size"] == 80_000_000
    else:
        assert len(host.call("GET", "/api/large?size=80000000").body) == 80_000_000
    assert peak_megabytes(host) - before < 130


def peak_megabytes(host: Host) -> int:
    assert host.process is not None
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def test_cross_origin_requests(doors: Host) -> None:
    asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "PUT"}
    preflight = doors.call("OPTIONS", "/api/items/5", headers=asked)
    assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (204, "PUT")
    answer = doors.call("GET", "/api/items/5", headers={"Origin": "http://page.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://page.example"
    other = doors.call("GET", "/api/items/5", headers={"Origin": "http://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_a_disabled_function_is_not_there(doors: Host) -> None:
    assert doors.call("GET", "/api/off").status == 404


def test_host_status(doors: Host) -> None:
    answer = doors.call("GET", "/admin/host/status")
    assert (answer.status, answer.json["state"]) == (200, "Running")


def test_functions_are_listed(doors: Host) -> None:
    names = {f["name"] for f in doors.call("GET", "/admin/functions").json}
    assert {"echo", "from_queue", "yearly"} <= names
    assert doors.call("GET", "/admin/functions/ECHO").json["config"]["bindings"][0]["type"]
    assert doors.call("GET", "/admin/functions/nosuch").status == 404


@pytest.mark.parametrize(
    ("function", "given", "name", "expected"),
    [
        ("from_queue", "hello", "queue", ["hello", 1]),
        ("from_bus", "ride", "bus", "ride"),
        ("yearly", "", "yearly", False),
    ],
)
def test_any_function_runs_from_admin(doors: Host, function: str, given: str, name: str, expected: object) -> None:
    assert doors.call("POST", f"/admin/functions/{function}", {"input": given}).status == 202
    assert until(doors, name) == expected


def test_admin_refuses_what_it_cannot_make(doors: Host) -> None:
    assert doors.call("POST", "/admin/functions/echo", {"input": "x"}).status == 400
    assert doors.call("POST", "/admin/functions/nosuch", {"input": "x"}).status == 404


def test_timers_run(doors: Host) -> None:
    first = until(doors, "each_second")
    time.sleep(2.1)
    assert doors.call("GET", "/api/seen/each_second").json >= first + 1
    assert until(doors, "at_start") is True


def test_a_line_for_each_run(doors: Host) -> None:
    doors.call("GET", "/api/items/5")
    doors.call("GET", "/api/raises")
    time.sleep(0.4)
    log = doors.log_text()
    assert "Executed 'Functions.item' (Succeeded, Id=" in log
    assert "Executed 'Functions.raises' (Failed, Id=" in log
    assert "ValueError: the door is broken" in log


def test_real_environment_wins_over_the_settings_file(hosts: list[Host], tmp_path) -> None:
    host = Host(APPS / "doors", tmp_path / "state", environment={"EVERY": "not a schedule"}).start(wait=False)
    hosts.append(host)
    assert host.process is not None
    assert host.process.wait(20) == 1
    assert "not a schedule" in host.log_text()


def until(host: Host, name: str) -> object:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        value = host.call("GET", f"/api/seen/{name}").json
        if value is not None:
            return value
        time.sleep(0.05)
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("mapping", "function mapping returned dict; an HTTP function must"),
        ("unsent", "function unsent: its code ran, and its output binding 'message' (queue) did not take the value"),
        ("unbound", "function unbound: this host has no input binding of type"),
        ("cancels-itself", "CancelledError"),
    ],
)
def test_a_run_that_fails_around_its_code_has_one_line_which_says_so(doors: Host, function: str, told: str) -> None:
    assert doors.call("GET", f"/api/{function}").status == 500
    line = f"Executed 'Functions.{function.replace('-', '_')}' ("
    wait_for_log(doors, told)
    told_lines = doors.log_text().splitlines()
    (at,) = [number for number, text in enumerate(told_lines) if line in text]
    assert "(Failed, Id=" in told_lines[at]
    assert told in told_lines[at + 1]


def test_a_trigger_with_a_binding_that_is_not_served_is_told(doors: Host) -> None:
    doors.call("POST", "/admin/functions/unbound_timer", {})
    wait_for_log(doors, "Executed 'Functions.unbound_timer' (Failed")


def wait_for_log(host: Host, text: str) -> None:
    end = time.monotonic() + 60
    while text not in host.log_text():
        assert time.monotonic() < end, text
        time.sleep(0.02)
