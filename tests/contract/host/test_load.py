"""The host stays responsive under load, and large things go through."""

from __future__ import annotations

import time

from tests.contract.host.harness import Host


def test_http_answers_within_a_second_while_fifty_activities_burn_the_processor(patterns: Host) -> None:
    instance = patterns.start_instance("naps", value={"seconds": 0.2, "count": 50})
    slowest, answered = 0.0, 0
    while patterns.status(instance)["runtimeStatus"] != "Completed":
        begun = time.monotonic()
        assert patterns.call("POST", "/api/start/greet_cities").status == 202
        slowest = max(slowest, time.monotonic() - begun)
        answered += 1
    assert answered > 3
    assert slowest < 1


def test_many_instances_at_once(patterns: Host) -> None:
    instances = [patterns.start_instance("greet_cities", f"many-{n}") for n in range(150)]
    assert all(patterns.wait_for(i)["runtimeStatus"] == "Completed" for i in instances)
