"""History events: the records that an orchestrator replays, as azure-functions-durable reads them.

Each event is written once, with `IsPlayed` false, before anything a user wrote; `played` turns it into its later form.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from local.host import jsontext
from local.host.clock import stamp

Event = dict[str, Any]


class EventType(IntEnum):
    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    GENERIC = 17
    HISTORY_STATE = 18
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20
    EXECUTION_REWOUND = 21


PLAYED_LATER = frozenset((0, 3, 5, 6, 8, 9, 11, 15, 17, 19, 20))
"""Types whose IsPlayed turns true once a turn has seen them; the rest stay false for ever."""


def event(kind: EventType, at: int, event_id: int = -1, **fields: Any) -> Event:
    """An event of `kind` at `at` (microseconds), not yet played."""
    return {"EventType": int(kind), "EventId": event_id, "IsPlayed": False, "Timestamp": stamp(at), **fields}


def text(record: Event) -> str:
    return jsontext.record(record)


def played(written: str) -> str:
    """The text of an event after a turn has seen it, from its text before."""
    return written.replace('"IsPlayed":false', '"IsPlayed":true', 1)


def after_turn(record: Event, written: str) -> str:
    return played(written) if record["EventType"] in PLAYED_LATER else written


def read(parts: list[str]) -> list[Event]:
    """The events of stored parts, each of which is event texts joined by commas."""
    events: list[Event] = jsontext.read_record(f"[{','.join(parts)}]")
    return events


def execution_started(  # noqa: PLR0917 - the fields of the event, in its order
    at: int,
    instance_id: str,
    execution_id: str,
    name: str,
    version: str | None,
    input_text: str | None,
    parent: dict[str, Any] | None = None,
    generation: int | None = 0,
) -> Event:
    return event(
        EventType.EXECUTION_STARTED,
        at,
        OrchestrationInstance={"InstanceId": instance_id, "ExecutionId": execution_id},
        ParentInstance=parent,
        Name=name,
        Version=version,
        Input=input_text,
        Tags=None,
        Correlation=None,
        ParentTraceContext=None,
        ScheduledStartTime=None,
        Generation=generation,
        GenerateNewTrace=False,
    )


def task_scheduled(at: int, event_id: int, name: str) -> Event:
    return event(
        EventType.TASK_SCHEDULED, at, event_id, Name=name, Version="", Input=None, ParentTraceContext=None, Tags=None
    )


def task_completed(at: int, task_id: int, result: str | None) -> Event:
    return event(EventType.TASK_COMPLETED, at, TaskScheduledId=task_id, Result=result)


def task_failed(at: int, task_id: int, reason: str, details: str) -> Event:
    return event(
        EventType.TASK_FAILED, at, TaskScheduledId=task_id, Reason=reason, Details=details, FailureDetails=None
    )


def sub_orchestration_created(at: int, event_id: int, name: str, version: str | None, instance_id: str) -> Event:
    return event(
        EventType.SUB_ORCHESTRATION_CREATED,
        at,
        event_id,
        Name=name,
        Version=version,
        InstanceId=instance_id,
        Input=None,
        ClientSpanId=None,
        Tags=None,
    )


def sub_orchestration_completed(at: int, task_id: int, result: str | None) -> Event:
    return event(EventType.SUB_ORCHESTRATION_COMPLETED, at, TaskScheduledId=task_id, Result=result)


def sub_orchestration_failed(at: int, task_id: int, reason: str | None, details: str | None) -> Event:
    return event(
        EventType.SUB_ORCHESTRATION_FAILED,
        at,
        TaskScheduledId=task_id,
        Reason=reason,
        Details=details,
        FailureDetails=None,
    )


def timer_created(at: int, event_id: int, fire_at: str) -> Event:
    return event(EventType.TIMER_CREATED, at, event_id, FireAt=fire_at)


def timer_fired(at: int, timer_id: int, fire_at: str) -> Event:
    return event(EventType.TIMER_FIRED, at, TimerId=timer_id, FireAt=fire_at)


def event_sent(at: int, event_id: int, target: str, name: str, input_text: str) -> Event:
    return event(EventType.EVENT_SENT, at, event_id, InstanceId=target, Name=name, Input=input_text)


def event_raised(at: int, name: str, input_text: str | None) -> Event:
    return event(EventType.EVENT_RAISED, at, Name=name, Input=input_text, ParentTraceContext=None)


def execution_terminated(at: int, reason: str | None) -> Event:
    return event(EventType.EXECUTION_TERMINATED, at, Input=reason)


def execution_suspended(at: int, reason: str | None) -> Event:
    return event(EventType.EXECUTION_SUSPENDED, at, Reason=reason)


def execution_resumed(at: int, reason: str | None) -> Event:
    return event(EventType.EXECUTION_RESUMED, at, Reason=reason)


def execution_completed(at: int, event_id: int, status: int, result: str | None) -> Event:
    return event(
        EventType.EXECUTION_COMPLETED, at, event_id, OrchestrationStatus=status, Result=result, FailureDetails=None
    )


def orchestrator_started(at: int) -> Event:
    return event(EventType.ORCHESTRATOR_STARTED, at)


def orchestrator_completed(at: int) -> Event:
    return event(EventType.ORCHESTRATOR_COMPLETED, at)
