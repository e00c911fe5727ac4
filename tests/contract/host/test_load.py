"""The host stays responsive under load, and large things go through."""

from __future__ import annotations

from tests.contract.host.harness import Host


def test_http_is_answered_while_fifty_activities_burn_the_processor(patterns: Host) -> None:
    instance = patterns.start_instance("naps", value={"seconds": 0.2, "count": 50})
    answered = 0
    while patterns.status(instance)["runtimeStatus"] != "Completed":
        assert patterns.call("POST", "/api/start/greet_cities").status == 202
        answered += 1
    # Not by the clock, which other programs' load moves: some answers came before the activities were through.
    assert answered > 0


def test_many_instances_at_once(patterns: Host) -> None:
    instances = [patterns.start_instance("greet_cities", f"many-{n}") for n in range(150)]
    assert all(patterns.wait_for(i)["runtimeStatus"] == "Completed" for i in instances)
