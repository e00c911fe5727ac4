"""Every row of the table of events: the fields that the SDK reads, in the form that the real host writes."""

from __future__ import annotations

import json

import pytest

from local.host import history
from local.host.clock import stamp

AT = 1_893_456_000_123_456
HEAD = {"EventId": -1, "IsPlayed": False, "Timestamp": "2030-01-01T00:00:00.123456Z"}
STARTED = {
    "OrchestrationInstance": {"InstanceId": "i", "ExecutionId": "e"},
    "ParentInstance": None,
    "Name": "chain",
    "Version": None,
    "Input": '"5"',
    "Tags": None,
    "Correlation": None,
    "ParentTraceContext": None,
    "ScheduledStartTime": None,
    "Generation": 0,
    "GenerateNewTrace": False,
}
ROWS = [
    (history.execution_started(AT, "i", "e", "chain", None, '"5"'), {"EventType": 0, **HEAD, **STARTED}, True),
    (
        history.execution_completed(AT, 3, 1, "8"),
        {"EventType": 1, **HEAD, "EventId": 3, "OrchestrationStatus": 1, "Result": "8", "FailureDetails": None},
        False,
    ),
    (history.execution_terminated(AT, "why"), {"EventType": 3, **HEAD, "Input": "why"}, True),
    (
        history.task_scheduled(AT, 0, "add_one"),
        {"EventType": 4, **HEAD, "EventId": 0, "Name": "add_one", "Version": "", "Input": None}
        | {"ParentTraceContext": None, "Tags": None},
        False,
    ),
    (history.task_completed(AT, 0, "6"), {"EventType": 5, **HEAD, "TaskScheduledId": 0, "Result": "6"}, True),
    (
        history.task_failed(AT, 0, "r", "d"),
        {"EventType": 6, **HEAD, "TaskScheduledId": 0, "Reason": "r", "Details": "d", "FailureDetails": None},
        True,
    ),
    (
        history.sub_orchestration_created(AT, 0, "chain", None, "e:0"),
        {"EventType": 7, **HEAD, "EventId": 0, "Name": "chain", "Version": None, "InstanceId": "e:0", "Input": None}
        | {"ClientSpanId": None, "Tags": None},
        False,
    ),
    (
        history.sub_orchestration_completed(AT, 0, "13"),
        {"EventType": 8, **HEAD, "TaskScheduledId": 0, "Result": "13"},
        True,
    ),
    (
        history.sub_orchestration_failed(AT, 0, "r", "d"),
        {"EventType": 9, **HEAD, "TaskScheduledId": 0, "Reason": "r", "Details": "d", "FailureDetails": None},
        True,
    ),
    (history.timer_created(AT, 1, stamp(AT)), {"EventType": 10, **HEAD, "EventId": 1, "FireAt": stamp(AT)}, False),
    (history.timer_fired(AT, 1, stamp(AT)), {"EventType": 11, **HEAD, "TimerId": 1, "FireAt": stamp(AT)}, True),
    (history.orchestrator_started(AT), {"EventType": 12, **HEAD}, False),
    (history.orchestrator_completed(AT), {"EventType": 13, **HEAD}, False),
    (
        history.event_sent(AT, 2, "@counter@k", "op", "{}"),
        {"EventType": 14, **HEAD, "EventId": 2, "InstanceId": "@counter@k", "Name": "op", "Input": "{}"},
        False,
    ),
    (
        history.event_raised(AT, "go", "1"),
        {"EventType": 15, **HEAD, "Name": "go", "Input": "1", "ParentTraceContext": None},
        True,
    ),
    (history.execution_suspended(AT, "s"), {"EventType": 19, **HEAD, "Reason": "s"}, True),
    (history.execution_resumed(AT, "r"), {"EventType": 20, **HEAD, "Reason": "r"}, True),
]


@pytest.mark.parametrize(("event", "expected", "played"), ROWS, ids=[str(row[1]["EventType"]) for row in ROWS])
def test_a_row_of_the_table(event: dict, expected: dict, played: bool) -> None:
    assert event == expected
    written = history.text(event)
    assert json.loads(history.after_turn(event, written)) == {**expected, "IsPlayed": played}


@pytest.mark.parametrize("text", ['"IsPlayed":false', "\\", '"', "é☃😀", "\ud800", "a\nb"])
def test_what_a_user_wrote_is_left_alone(text: str) -> None:
    event = history.event_raised(AT, text, json.dumps(text))
    stored = history.after_turn(event, history.text(event))
    (read,) = history.read([stored])
    assert read == {**event, "IsPlayed": True}
