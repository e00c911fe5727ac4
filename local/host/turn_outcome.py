"""What one turn decided, written down: history, status, outbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.host import history, ids, jsontext
from local.host.clock import stamp
from local.host.commands import Command, Complete, CreateSubOrchestration, CreateTimer, ScheduleTask, SendEvent, Status
from local.host.history import Event
from local.host.records import Instance, Start, Task, TurnRecord
from local.host.services import Services


@dataclass
class Woken:
    """What a turn leaves to be done at once."""

    instances: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    timer: int | None = None
    """The earliest timer that it created, in microseconds."""

    def add(self, other: Woken) -> None:
        self.instances += other.instances
        self.tasks += other.tasks
        if other.timer is not None:
            self.timer = other.timer if self.timer is None else min(self.timer, other.timer)


class TurnOutcome:
    """Carries the commands of a turn into a TurnRecord. `texts` are the turn's own events, as they are stored."""

    def __init__(self, services: Services, instance: Instance, record: TurnRecord, texts: list[str]) -> None:
        self._services = services
        self._instance = instance
        self._record = record
        self._texts = texts
        self.woken = Woken()
        self.sent: list[Event] = []
        """Events that the commands became."""

    def write(self, commands: dict[int, Command], carried: list[Event]) -> None:
        end: Complete | None = None
        for number, command in sorted(commands.items()):
            event = self._carry_out(number, command)
            if event is not None:
                self.sent.append(event)
                self._texts.append(history.text(event))
            if isinstance(command, Complete):
                end = command
        if end is not None and end.status is Status.CONTINUED_AS_NEW:
            self._continue(end, carried)
            return
        if end is not None:
            self._end(end)
        self._texts.append(history.text(history.orchestrator_completed(self._record.now)))
        self._record.events = ",".join(self._texts)

    def _carry_out(self, number: int, command: Command) -> Event | None:
        """Put one command into the outbox; returns its event for the history."""
        instance, now, woken = self._instance, self._record.now, self.woken
        if isinstance(command, ScheduleTask):
            task_id = self._services.store.new_task_id()
            task = Task(task_id, instance.id, instance.execution, number, command.name, command.input)
            self._record.tasks.append(task)
            woken.tasks.append(task)
            return history.task_scheduled(now, number, command.name)
        if isinstance(command, CreateTimer):
            self._record.timers.append((number, command.fire_at))
            woken.timer = command.fire_at if woken.timer is None else min(woken.timer, command.fire_at)
            return history.timer_created(now, number, stamp(command.fire_at))
        if isinstance(command, CreateSubOrchestration):
            self._record.starts.append((number, self._child(number, command)))
            woken.instances.append(command.instance_id)
            return history.sub_orchestration_created(now, number, command.name, command.version, command.instance_id)
        if isinstance(command, SendEvent):
            raised = history.event_raised(now, command.name, command.input)
            self._record.messages.append((command.target, None, history.text(raised)))
            woken.instances.append(command.target)
            return history.event_sent(now, number, command.target, command.name, command.input)
        if command.status is Status.CONTINUED_AS_NEW:
            return None
        return history.execution_completed(now, number, command.status, command.result)

    def _child(self, number: int, command: CreateSubOrchestration) -> Start:
        instance = self._instance
        parent = {
            "Name": instance.name,
            "OrchestrationInstance": {"InstanceId": instance.id, "ExecutionId": instance.execution},
            "TaskScheduleId": number,
            "Version": instance.version,
        }
        execution = ids.hex_id()
        started = history.execution_started(
            *(self._record.now, command.instance_id, execution, command.name, command.version, command.input),
            parent=parent,
            generation=None,
        )
        return Start(
            instance=command.instance_id,
            execution=execution,
            name=command.name,
            version=command.version,
            input=command.input,
            event=history.text(started),
            parent=jsontext.record(parent),
        )

    def _end(self, end: Complete) -> None:
        instance, record = self._instance, self._record
        instance.status, instance.output = end.status, end.result
        parent = instance.parent_record
        if parent is None:
            return
        target, number = parent["OrchestrationInstance"], parent["TaskScheduleId"]
        if end.status is Status.COMPLETED:
            event = history.sub_orchestration_completed(record.now, number, end.result)
        else:
            event = history.sub_orchestration_failed(record.now, number, end.result, end.details)
        record.messages.append((target["InstanceId"], target["ExecutionId"], history.text(event)))
        self.woken.instances.append(target["InstanceId"])

    def _continue(self, end: Complete, carried: list[Event]) -> None:
        """Begin a new execution of the same instance; its first turn runs next, with nothing new delivered."""
        instance, record, now = self._instance, self._record, self._record.now
        instance.execution = ids.hex_id()
        instance.input = end.result
        instance.output = None
        instance.continued = True
        begun = history.execution_started(
            *(now, instance.id, instance.execution, instance.name, instance.version, end.result),
            parent=instance.parent_record,
            generation=None,
        )
        texts = [history.text(history.orchestrator_started(now)), history.text(begun)]
        texts += [history.played(history.text(event)) for event in carried]
        texts.append(history.text(history.orchestrator_completed(now)))
        record.part, record.renewed, record.events = 0, True, ",".join(texts)
        # Timers of the old execution that nobody waits for: their firing would find nobody.
        record.timers = []
        self.woken.instances.append(instance.id)
