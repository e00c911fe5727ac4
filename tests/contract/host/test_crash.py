"""kill -9 at any moment: nothing that was acknowledged is lost, and only what was not committed runs again."""

from __future__ import annotations

import collections
import time
from pathlib import Path

from tests.contract.host.harness import APPS, Host


def again(host: Host) -> Host:
    host.kill()
    successor = Host(host.app, host.state, *host.options, environment=host.environment)
    return successor.start()


def runs(path: Path) -> collections.Counter[str]:
    return collections.Counter(path.read_text().split("\n")[:-1]) if path.exists() else collections.Counter()


def test_chains_go_on_where_they_were(hosts: list[Host], tmp_path: Path) -> None:
    environment = {"RUNS_FILE": str(tmp_path / "runs")}
    host = Host(APPS / "patterns", tmp_path / "state", environment=environment).start()
    hosts.append(host)
    ids = [host.start_instance("long_chain", f"chain-{n}", 12) for n in range(3)]
    for _ in range(3):
        time.sleep(0.25)
        host = again(host)
        hosts.append(host)
    assert [host.wait_for(i)["output"] for i in ids] == [66, 66, 66]
    counted = runs(tmp_path / "runs")
    assert all(counted[f"add {n}"] >= 3 for n in range(12))
    assert sum(counted.values()) <= 36 + 3 * 3, "more ran again than was in flight at a kill"


def test_a_timer_that_fell_due_while_down_fires_at_start(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "patterns", tmp_path / "state").start()
    hosts.append(host)
    host.start_instance("sleeps", "nap", 1.5)
    host.wait_for("nap", "Running")
    host.kill()
    time.sleep(1.6)
    host = again(host)
    hosts.append(host)
    assert host.wait_for("nap", timeout=2)["output"] == "woke"


def test_an_acknowledged_start_and_event_survive(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "patterns", tmp_path / "state").start()
    hosts.append(host)
    host.start_instance("ask_approval", "ask")
    assert host.operate("ask", "raiseEvent/approval", True).status == 202
    host.kill()
    host = again(host)
    hosts.append(host)
    assert host.wait_for("ask")["output"] == "approved"


def test_sigterm_ends_within_five_seconds_and_the_rest_is_done_later(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "patterns", tmp_path / "state").start()
    hosts.append(host)
    host.start_instance("naps", "naps", {"seconds": 8, "count": 2})
    host.wait_for("naps", "Running")
    begun = time.monotonic()
    assert host.end() == 0
    assert time.monotonic() - begun < 5
    assert host.process is not None
    assert host.process.returncode == 0


def test_a_second_host_on_the_same_state_is_refused(hosts: list[Host], tmp_path: Path) -> None:
    first, second = (Host(APPS / "patterns", tmp_path / "state") for _ in range(2))
    hosts += [first, second]
    first.start()
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(20) == 1
    assert "in use by another host" in second.log_text()
    assert "--state" in second.log_text()


def test_a_second_host_beside_the_first(hosts: list[Host], tmp_path: Path) -> None:
    first, second = Host(APPS / "patterns", tmp_path / "one"), Host(APPS / "doors", tmp_path / "two")
    hosts += [first, second]
    first.start()
    second.start()
    assert first.wait_for(first.start_instance("greet_cities"))["runtimeStatus"] == "Completed"
    assert second.call("GET", "/api/items/5").status == 200


def test_a_taken_port_is_exit_code_two(hosts: list[Host], tmp_path: Path) -> None:
    first, second = Host(APPS / "doors", tmp_path / "one"), Host(APPS / "doors", tmp_path / "two")
    hosts += [first, second]
    first.start()
    second.port = first.port
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(20) == 2
    assert "--port" in second.log_text()


def test_it_ends_with_its_parent(hosts: list[Host], tmp_path: Path) -> None:
    host = Host(APPS / "doors", tmp_path / "state", "--end-with-parent").start()
    hosts.append(host)
    assert host.process is not None
    assert host.process.stdin is not None
    host.process.stdin.close()
    assert host.process.wait(6) == 0
