"""--enable-auth: who may pass with which key; the keys outlive the process."""

from __future__ import annotations

import re

from tests.contract.host.harness import APPS, MANAGEMENT, Host


def key(host: Host, name: str) -> str:
    found = re.findall(rf"{name}: (\S+)", host.log_text())
    return found[-1]


def test_levels_of_keys(hosts: list[Host], tmp_path) -> None:
    host = Host(APPS / "doors", tmp_path / "state", "--enable-auth").start()
    hosts.append(host)
    every, master = key(host, "every function"), key(host, "master")
    assert host.call("GET", "/api/items/5").status == 200
    for path, opened_by in (
        ("/api/guarded", {every, master}),
        ("/api/ruled", {master}),
        (f"{MANAGEMENT}/instances", {master}),
        ("/admin/functions", {master}),
    ):
        assert host.call("GET", path).status == 401, path
        assert host.call("GET", f"{path}?code=wrong").status == 401, path
        for given in (every, master):
            expected = 200 if given in opened_by else 401
            assert host.call("GET", f"{path}?CODE={given}").status == expected, path
            assert host.call("GET", path, headers={"X-Functions-Key": given}).status == expected, path


def test_keys_outlive_the_process(hosts: list[Host], tmp_path) -> None:
    host = Host(APPS / "patterns", tmp_path / "state", "--enable-auth").start()
    hosts.append(host)
    answer = host.call("POST", "/api/start/greet_cities")
    assert answer.status == 202
    url = answer.json["statusQueryGetUri"]
    assert host.call("GET", url).status in (200, 202)
    host.kill()
    again = Host(host.app, host.state, "--enable-auth")
    again.port = host.port
    hosts.append(again.start())
    assert again.call("GET", url).status in (200, 202)
    assert again.call("GET", re.sub(r"code=[^&]*", "code=other", url)).status == 401
