"""The documented patterns of Durable Functions, run unchanged."""

from __future__ import annotations

import json

from tests.contract.host.harness import MANAGEMENT, Host


def test_chaining(patterns: Host) -> None:
    instance = patterns.start_instance("greet_cities")
    assert patterns.wait_for(instance)["output"] == ["Hello Lisbon!", "Hello Oslo!", "Hello Quito!"]


def test_fan_out_and_in(patterns: Host) -> None:
    instance = patterns.start_instance("measure_words", value=json.loads("30"))
    assert patterns.wait_for(instance)["output"] == sum(range(30))


def test_async_http_api_through_the_client_binding(patterns: Host) -> None:
    answer = patterns.call("POST", "/api/start/greet_cities")
    assert answer.status == 202
    assert answer.headers["Location"] == answer.json["statusQueryGetUri"]
    patterns.wait_for(answer.json["id"])
    final = patterns.call("GET", answer.json["statusQueryGetUri"])
    assert (final.status, final.json["runtimeStatus"]) == (200, "Completed")


def test_wait_for_completion(patterns: Host) -> None:
    answer = patterns.call("POST", "/api/run/greet_cities")
    assert (answer.status, answer.json[0]) == (200, "Hello Lisbon!")


def test_monitor(patterns: Host) -> None:
    seen = patterns.start_instance("watch_job", value={"id": "j1", "patience": 20})
    given_up = patterns.start_instance("watch_job", value={"id": "j2", "patience": 0.2})
    assert patterns.wait_for(seen)["output"] == "seen"
    assert patterns.wait_for(given_up)["output"] == "gave up"


def test_human_interaction(patterns: Host) -> None:
    approved, refused = patterns.start_instance("ask_approval"), patterns.start_instance("ask_approval")
    escalated = patterns.start_instance("ask_approval", value=0.3)
    for instance, answer in ((approved, True), (refused, False)):
        patterns.wait_for(instance, "Running")
        assert patterns.operate(instance, "raiseEvent/approval", answer).status == 202
    assert [patterns.wait_for(i)["output"] for i in (approved, refused, escalated)] == [
        "approved",
        "refused",
        "escalated",
    ]


def test_aggregator_entity(patterns: Host) -> None:
    instance = patterns.start_instance("count_twice", "agg")
    assert patterns.wait_for(instance)["output"] == 11
    path = f"{MANAGEMENT}/entities/counter/agg"
    assert patterns.call("GET", path).json == 11
    assert patterns.call("POST", path + "?op=reset").status == 202
    for _ in range(100):
        if patterns.call("GET", path).json == 0:
            break
    assert patterns.call("GET", path).json == 0


def test_activity_with_a_client_binding(patterns: Host) -> None:
    instance = patterns.start_instance("starts_from_activity")
    assert patterns.wait_for(instance)["output"] == "detached"
    assert patterns.wait_for("detached")["runtimeStatus"] == "Completed"


def test_continue_as_new_many_times(patterns: Host) -> None:
    instance = patterns.start_instance("counts_down", value=50)
    assert patterns.wait_for(instance)["output"] == "lift-off"


def test_what_json_cannot_hold_fails_the_activity(patterns: Host) -> None:
    status = patterns.wait_for(patterns.start_instance("returns_a_set"))
    assert status["runtimeStatus"] == "Failed"
    assert "make_set" in status["output"]


def test_a_token_source_is_refused_with_a_reason(patterns: Host) -> None:
    status = patterns.wait_for(patterns.start_instance("bearer"))
    assert status["runtimeStatus"] == "Failed"
    assert "managed identity" in status["output"]


def test_a_blocking_orchestrator_does_not_stop_the_others(patterns: Host) -> None:
    patterns.start_instance("blocks", "blocked", 4)
    patterns.wait_for(patterns.start_instance("greet_cities"), timeout=3.5)
    assert patterns.wait_for("blocked")["output"] == "at last"


def test_a_child_id_that_is_taken_fails_the_parent_not_the_host(patterns: Host) -> None:
    patterns.start_instance("sleeps", "taken", 3)
    parent = patterns.start_instance("starts_child", value={"seconds": 1, "child": "taken"})
    status = patterns.wait_for(parent)
    assert status["runtimeStatus"] == "Failed"
    assert "already exists" in status["output"]
