"""Does a replay schedule what history says was scheduled? The texts are those of DurableTask.Core."""

from __future__ import annotations

from local.host.commands import Command, CreateSubOrchestration, CreateTimer, ScheduleTask, SendEvent
from local.host.history import Event

CHANGED = "Was a change made to the orchestrator code after this instance had already started running?"
MISSING = "but the current replay execution hasn't (yet?) scheduled this task. " + CHANGED


class NonDeterminismError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"Non-Deterministic workflow detected: {text}")


def check_task(event: Event, command: Command | None) -> None:
    number, name = event["EventId"], event["Name"]
    before = "A previous execution of this orchestration scheduled an activity task with sequence"
    if command is None:
        raise NonDeterminismError(f"{before} ID {number} and name '{name}' (version '{_text(event)}'), {MISSING}")
    if not isinstance(command, ScheduleTask):
        raise NonDeterminismError(
            f"{before} number {number} named '{name}', but the current orchestration replay instead produced a "
            f"{command.kind} action with this sequence number. {CHANGED}"
        )
    if command.name.lower() != name.lower():
        raise NonDeterminismError(
            f"{before} number {number} named '{name}', but the current orchestration replay instead scheduled an "
            f"activity task named '{command.name}' with this sequence number.  {CHANGED}"
        )


def check_timer(event: Event, command: Command | None) -> None:
    before = (
        f"A previous execution of this orchestration scheduled a timer task with sequence number {event['EventId']}"
    )
    if command is None:
        raise NonDeterminismError(f"{before} {MISSING}")
    if not isinstance(command, CreateTimer):
        raise NonDeterminismError(
            f"{before} but the current orchestration replay instead produced a {command.kind} action with this "
            f"sequence number. {CHANGED}"
        )


def check_sub_orchestration(event: Event, command: Command | None) -> None:
    name = event["Name"]
    before = (
        f"A previous execution of this orchestration scheduled a sub-orchestration task with sequence ID "
        f"{event['EventId']} and name '{name}' (version '{_text(event)}', instance ID '{event['InstanceId']}'), "
    )
    if command is None:
        raise NonDeterminismError(before + MISSING)
    if not isinstance(command, CreateSubOrchestration):
        raise NonDeterminismError(
            f"{before}but the current orchestration replay instead scheduled a {command.kind} task at this "
            f"location. {CHANGED}"
        )
    if command.name.lower() != name.lower():
        raise NonDeterminismError(
            f"{before}but the current orchestration replay instead scheduled a sub-orchestration task with name "
            f"'{command.name}' at this location. {CHANGED}"
        )


def check_event_sent(event: Event, command: Command | None) -> None:
    before = (
        f"A previous execution of this orchestration scheduled a send event task with sequence ID "
        f"{event['EventId']}, type 'EventSent' name '{event['Name']}', instance ID '{event['InstanceId']}', "
    )
    if command is None:
        raise NonDeterminismError(before + MISSING)
    if not isinstance(command, SendEvent):
        raise NonDeterminismError(
            f"{before}but the current orchestration replay instead scheduled a {command.kind} task at this "
            f"location. {CHANGED}"
        )


def _text(event: Event) -> str:
    return event["Version"] or ""
