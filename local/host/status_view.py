"""Instances and their history as the management API shows them."""

from __future__ import annotations

from typing import Any

from local.host import history, jsontext
from local.host.clock import seconds_stamp, stamp
from local.host.commands import Status
from local.host.history import Event, EventType
from local.host.records import Entity, Instance

NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_FAILED: "ExecutionFailed",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.CONTINUE_AS_NEW: "ContinueAsNew",
    EventType.GENERIC: "GenericEvent",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
    EventType.EXECUTION_REWOUND: "ExecutionRewound",
}
SCHEDULED = {EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED}
ENDED = {
    EventType.TASK_COMPLETED,
    EventType.TASK_FAILED,
    EventType.SUB_ORCHESTRATION_COMPLETED,
    EventType.SUB_ORCHESTRATION_FAILED,
}
HIDDEN = ("EventId", "IsPlayed", "TaskScheduledId", "TimerId", "Version", "ParentInstance", "OrchestrationInstance")


def status_body(instance: Instance, *, show_input: bool = True, events: list[Any] | None = None) -> dict[str, Any]:
    body = {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": instance.status.label,
        "input": jsontext.parsed_or_text(instance.input) if show_input else None,
        "customStatus": jsontext.parsed_or_text(instance.custom_status),
        "output": jsontext.parsed_or_text(instance.output),
        "createdTime": seconds_stamp(instance.created),
        "lastUpdatedTime": seconds_stamp(instance.updated),
    }
    if events is not None:
        body["historyEvents"] = events
    return body


def history_view(parts: list[str], *, show_output: bool, show_input: bool) -> list[dict[str, Any]]:
    """History as `showHistory` answers it: completions tell what they complete, bookkeeping is left out."""
    events = history.read(parts)
    scheduled = {(_family(e), e["EventId"]): e for e in events if e["EventType"] in SCHEDULED}
    ended = {(_family(e), e["TaskScheduledId"]) for e in events if e["EventType"] in ENDED}
    view = []
    for event in events:
        kind = event["EventType"]
        if kind not in NAMES or (kind in SCHEDULED and (_family(event), event["EventId"]) in ended):
            continue
        view.append(_shown(event, scheduled, show_output=show_output, show_input=show_input))
    return view


def _shown(
    event: Event, scheduled: dict[tuple[bool, int], Event], *, show_output: bool, show_input: bool
) -> dict[str, Any]:
    kind = event["EventType"]
    shown = {"EventType": NAMES[kind], **{k: v for k, v in event.items() if k != "EventType" and k not in HIDDEN}}
    if kind in ENDED:
        cause = scheduled.get((_family(event), event["TaskScheduledId"]))
        if cause is not None:
            shown["ScheduledTime"] = cause["Timestamp"].replace("Z", "+00:00")
            shown["FunctionName"] = cause["Name"]
            shown["Input"] = cause["Input"]
    if kind == EventType.EXECUTION_STARTED:
        shown["FunctionName"] = shown.pop("Name")
        del shown["Tags"]
    if kind == EventType.EXECUTION_COMPLETED:
        shown["OrchestrationStatus"] = Status(event["OrchestrationStatus"]).label
    if "Result" in shown:
        if show_output:
            shown["Result"] = jsontext.parsed_or_text(shown["Result"])
        else:
            del shown["Result"]
    if not show_input and kind in (*ENDED, EventType.EXECUTION_STARTED):
        shown.pop("Input", None)
    return shown


def _family(event: Event) -> bool:
    """Sub-orchestrations number apart from activities in what completes what."""
    return event["EventType"] in (
        EventType.SUB_ORCHESTRATION_CREATED,
        EventType.SUB_ORCHESTRATION_COMPLETED,
        EventType.SUB_ORCHESTRATION_FAILED,
    )


def entity_body(entity: Entity, *, fetch_state: bool) -> dict[str, Any]:
    return {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": stamp(entity.updated),
        "state": jsontext.parsed_or_text(entity.state) if fetch_state else None,
    }


def entity_as_instance(entity: Entity) -> dict[str, Any]:
    """An entity looked up among the instances: the real host keeps it in an orchestration of its own."""
    return {
        "name": entity.id,
        "instanceId": entity.id,
        "runtimeStatus": "Running",
        "input": {"exists": True, "state": entity.state, "sorter": {}},
        "customStatus": {"entityExists": True},
        "output": None,
        "createdTime": seconds_stamp(entity.created),
        "lastUpdatedTime": seconds_stamp(entity.updated),
    }
