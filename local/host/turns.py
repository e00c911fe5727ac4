"""One turn of an orchestration: messages in, the orchestrator's function called, what it decided written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import failures, history, ids, jsontext, versions
from local.host.clock import stamp
from local.host.commands import Command, Complete, CreateSubOrchestration, CreateTimer, ScheduleTask, SendEvent, Status
from local.host.determinism import NonDeterminismError
from local.host.execution import Execution, OrchestrationError
from local.host.history import Event, EventType
from local.host.playback import Answer, Playback
from local.host.records import Instance, Message, Start, Task, TurnRecord
from local.host.services import Services

PAYLOAD_END = (
    ',"upperSchemaVersion":1,"upperSchemaVersionNew":3,"longRunningTimerIntervalDuration":"3.00:00:00",'
    '"maximumShortTimerDuration":"6.00:00:00","defaultHttpAsyncRequestSleepTimeMillseconds":30000}'
)


@dataclass
class Woken:
    """What a turn leaves to be done at once."""

    instances: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    timer: int | None = None
    """The earliest timer that it created, in microseconds."""


class Orchestrations:
    """Runs turns. Only one thread may run the same instance's turn at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._told: set[tuple[str, str]] = set()

    def run_turn(self, instance: Instance, parts: list[str], messages: list[Message]) -> Woken:
        """Deliver what waits to an instance; write and return what follows."""
        continued = instance.continued
        last = messages[-1].id if messages and not continued else 0
        fresh = [] if continued else [m for m in messages if m.execution in (None, instance.execution)]
        if instance.status.is_final or not (fresh or continued):
            self._services.store.drop_messages(instance.id, last)
            return Woken()
        if instance.status is Status.PENDING and not self._admits(instance):
            return Woken()
        record, woken = _Turn(self, instance, parts, fresh, last).run()
        refused = self._services.store.commit_turn(record)
        if refused or (continued and messages):
            woken.instances.append(instance.id)
        return woken

    def _admits(self, instance: Instance) -> bool:
        """May this host run an instance of that version? One that may not stays Pending, as in Azure."""
        if versions.admits(
            instance.version, self._services.settings.default_version, self._services.settings.version_match
        ):
            return True
        self.report(instance, versions.refusal(instance.version, self._services.settings.default_version))
        return False

    # -- what a turn needs

    @property
    def services(self) -> Services:
        return self._services

    def report(self, instance: Instance, text: str) -> None:
        """Say, once an instance, what the real host would swallow."""
        if (instance.id, text) in self._told:
            return
        self._told.add((instance.id, text))
        self._services.log.problem(
            f"orchestration '{instance.name}' ({instance.id}) asked for something that cannot be done and will wait "
            f"for it for ever, as it would in Azure: {text} Mend it, then terminate or purge the instance."
        )

    def ask(self, instance: Instance, payload: str) -> Answer:
        """Call the orchestrator function with a trigger payload."""
        function = self._services.registry.orchestrators.get(instance.name.lower())
        if function is None:
            text = self._services.registry.unknown(instance.name, "orchestrationTrigger")
            failure = OrchestrationError(f"Orchestrator function '{instance.name}' failed: {text}", text)
            return Answer(actions=[], failure=failure)
        converter = get_binding_registry().get("orchestrationTrigger")
        context = converter.decode(Datum(payload, "string"), trigger_metadata=None)
        try:
            return _answer(jsontext.loads(self._services.invoker.call_here(function, context)))
        except Exception as error:  # noqa: BLE001 - the orchestrator's own failure
            return _failed_answer(instance.name, error)


def _answer(state: dict[str, Any], failure: OrchestrationError | None = None) -> Answer:
    output = state.get("output")
    custom = state.get("customStatus")
    actions = state["actions"]
    return Answer(
        actions=actions[0] if actions else [],
        is_done=state["isDone"],
        output=None if output is None else jsontext.dumps(output),
        custom_status=None if custom is None else jsontext.dumps(custom),
        failure=failure,
    )


def _failed_answer(name: str, error: Exception) -> Answer:
    state = failures.out_of_proc_state(error)
    if state is None:
        return Answer(actions=[], failure=OrchestrationError(*failures.plain_failure(name, error)))
    cause = error.__cause__ or error
    return _answer(state, OrchestrationError(*failures.labelled_failure(name, state.get("error") or "", cause)))


def _begun(event: Event) -> str:
    text = history.text(event)
    return text if event["EventType"] == EventType.ORCHESTRATOR_STARTED else history.played(text)


class _Turn:
    def __init__(
        self, host: Orchestrations, instance: Instance, parts: list[str], messages: list[Message], last: int
    ) -> None:
        self._host = host
        self._services = host.services
        self._instance = instance
        self._parts = parts
        self._last = last
        self._started = self._services.clock.micros()
        self._new: list[Event] = []
        self._texts: list[str] = []
        if not instance.continued:
            self._new = [history.orchestrator_started(self._started)]
            self._texts = [history.text(self._new[0])]
            self._new += [jsontext.read_record(message.event) for message in messages]
            self._texts += [message.event for message in messages]

    def run(self) -> tuple[TurnRecord, Woken]:
        instance = self._instance
        past = history.read(self._parts)
        answer = self._host.ask(instance, self._payload(is_first=self._is_first(past)))
        report: Callable[[str], None] = lambda text: self._host.report(instance, text)  # noqa: E731
        playback = Playback(
            answer, instance.id, self._services.registry, self._services.settings.default_version, report
        )
        execution = Execution(instance.execution, playback)
        try:
            execution.walk(past)
            execution.walk(self._new)
            execution.finish()
        except NonDeterminismError as error:
            execution.fail(error)
        return self._write(execution, answer)

    def _is_first(self, past: list[Event]) -> bool:
        return self._instance.continued or not past

    def _payload(self, *, is_first: bool) -> str:
        instance = self._instance
        parts = self._parts + self._texts
        parent = instance.parent_id
        return (
            f'{{"history":[{",".join(parts)}],"input":{instance.input or "null"},'
            f'"instanceId":{jsontext.dumps(instance.id)},"isReplaying":{"false" if is_first else "true"},'
            f'"parentInstanceId":{jsontext.dumps(parent)}{PAYLOAD_END}'
        )

    def _write(self, execution: Execution, answer: Answer) -> tuple[TurnRecord, Woken]:
        instance = self._instance
        now = self._services.clock.micros()
        texts = [history.after_turn(e, t) for e, t in zip(self._new, self._texts, strict=True)]
        if instance.continued:
            # The continued execution's first part was stored unplayed; it is written again as played.
            texts = [_begun(event) for event in history.read(self._parts)]
        record = TurnRecord(instance, 0 if instance.continued else len(self._parts), "", self._last, now)
        instance.continued = False
        if answer.custom_status is not None:
            instance.custom_status = answer.custom_status
        self._set_status(execution)
        end: Complete | None = None
        woken = Woken()
        for number, command in sorted(execution.commands.items()):
            event = self._carry_out(number, command, record, woken, now)
            if event is not None:
                texts.append(history.text(event))
            if isinstance(command, Complete):
                end = command
        if end is not None and end.status is Status.CONTINUED_AS_NEW:
            self._continue(end, execution.carried, record, woken)
            return record, woken
        if end is not None:
            self._end(end, record, woken)
        texts.append(history.text(history.orchestrator_completed(now)))
        record.events = ",".join(texts)
        return record, woken

    def _set_status(self, execution: Execution) -> None:
        instance = self._instance
        instance.status = Status.SUSPENDED if execution.suspended else Status.RUNNING
        for event in self._new:
            if event["EventType"] in (EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED):
                instance.output = event["Reason"]

    def _carry_out(self, number: int, command: Command, record: TurnRecord, woken: Woken, now: int) -> Event | None:
        """Put one command into the outbox; returns its event for the history."""
        instance = self._instance
        if isinstance(command, ScheduleTask):
            task = Task(
                self._services.store.new_task_id(), instance.id, instance.execution, number, command.name, command.input
            )
            record.tasks.append(task)
            woken.tasks.append(task)
            return history.task_scheduled(now, number, command.name)
        if isinstance(command, CreateTimer):
            record.timers.append((number, command.fire_at))
            woken.timer = command.fire_at if woken.timer is None else min(woken.timer, command.fire_at)
            return history.timer_created(now, number, stamp(command.fire_at))
        if isinstance(command, CreateSubOrchestration):
            record.starts.append((number, self._child(number, command, now)))
            woken.instances.append(command.instance_id)
            return history.sub_orchestration_created(now, number, command.name, command.version, command.instance_id)
        if isinstance(command, SendEvent):
            raised = history.event_raised(now, command.name, command.input)
            record.messages.append((command.target, None, history.text(raised)))
            woken.instances.append(command.target)
            return history.event_sent(now, number, command.target, command.name, command.input)
        if command.status is Status.CONTINUED_AS_NEW:
            return None
        return history.execution_completed(now, number, command.status, command.result)

    def _child(self, number: int, command: CreateSubOrchestration, now: int) -> Start:
        instance = self._instance
        parent = {
            "Name": instance.name,
            "OrchestrationInstance": {"InstanceId": instance.id, "ExecutionId": instance.execution},
            "TaskScheduleId": number,
            "Version": instance.version,
        }
        execution = ids.hex_id()
        started = history.execution_started(
            now, command.instance_id, execution, command.name, command.version, command.input, parent, None
        )
        return Start(
            command.instance_id,
            execution,
            command.name,
            command.version,
            command.input,
            history.text(started),
            jsontext.record(parent),
        )

    def _end(self, end: Complete, record: TurnRecord, woken: Woken) -> None:
        instance = self._instance
        instance.status, instance.output = end.status, end.result
        parent = instance.parent_record
        if parent is None:
            return
        target = parent["OrchestrationInstance"]
        number = parent["TaskScheduleId"]
        if end.status is Status.COMPLETED:
            event = history.sub_orchestration_completed(record.now, number, end.result)
        else:
            event = history.sub_orchestration_failed(record.now, number, end.result, end.details)
        record.messages.append((target["InstanceId"], target["ExecutionId"], history.text(event)))
        woken.instances.append(target["InstanceId"])

    def _continue(self, end: Complete, carried: list[Event], record: TurnRecord, woken: Woken) -> None:
        """Begin a new execution of the same instance; its first turn runs next, with nothing new delivered."""
        instance = self._instance
        instance.execution = ids.hex_id()
        instance.input = end.result
        instance.output = None
        instance.continued = True
        now = record.now
        begun = history.execution_started(
            now, instance.id, instance.execution, instance.name, instance.version, end.result,
            instance.parent_record, None,
        )  # fmt: skip
        texts = [history.text(history.orchestrator_started(now)), history.text(begun)]
        texts += [history.played(history.text(event)) for event in carried]
        texts.append(history.text(history.orchestrator_completed(now)))
        record.part, record.renewed, record.events = 0, True, ",".join(texts)
        # Timers of the old execution that nobody waits for: their firing would find nobody.
        record.timers = []
        woken.instances.append(instance.id)
