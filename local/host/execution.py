"""One execution of an orchestration, replayed: ids, open tasks, commands. A port of the behaviour of
DurableTask.Core's TaskOrchestrationContext and TaskOrchestrationExecutor.

History is walked event by event. `ExecutionStarted` starts `body`, a coroutine that schedules; its continuations run
inside the walk. A command is new until history shows the event that it became; what is left at the end is this turn's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from local.host import determinism, waits
from local.host.clock import parse, to_micros
from local.host.commands import Command, Complete, CreateSubOrchestration, CreateTimer, ScheduleTask, SendEvent, Status
from local.host.determinism import NonDeterminismError
from local.host.history import Event, EventType
from local.host.waits import Wait


class TaskFailedError(Exception):
    """An activity or sub-orchestration failed; the orchestrator saw it through its history."""


class OrchestrationError(Exception):
    """The orchestrator function failed: `str` is the instance's output, `details` what its parent is told."""

    def __init__(self, text: str, details: str) -> None:
        super().__init__(text)
        self.details = details


class Execution:
    def __init__(self, execution_id: str, body: Callable[[Execution], Coroutine[Wait, None, Any]]) -> None:
        self.execution_id = execution_id
        self.commands: dict[int, Command] = {}
        self.now = 0
        self.carried: list[Event] = []
        self.suspended = False
        self._body = body
        self._outcome: Wait | None = None
        self._next_id = 0
        self._open: dict[int, Wait] = {}
        self._continue: Complete | None = None
        self._ended = False
        self._stash: dict[int, Command] = {}
        self._held: deque[Event] = deque()
        self._expected: dict[str, deque[Wait]] = {}
        self._early: dict[str, deque[str | None]] = {}

    # -- what the body schedules

    def schedule_task(self, name: str, input_text: str | None) -> Wait:
        return self._open_task(ScheduleTask(name, input_text))

    def create_timer(self, fire_at: int, *, cancelled: bool = False) -> Wait:
        """A timer; one that was cancelled still takes its id but is not waited for."""
        number = self._add(CreateTimer(fire_at))
        if cancelled:
            return waits.resolved()
        return self._opened(number)

    def create_sub_orchestration(
        self, name: str, instance_id: str | None, version: str | None, input_text: str | None
    ) -> Wait:
        number = self._next_id
        target = instance_id if instance_id and not instance_id.isspace() else f"{self.execution_id}:{number}"
        return self._open_task(CreateSubOrchestration(name, target, version, input_text))

    def send_event(self, target: str, name: str, make_input: Callable[[int], str]) -> int:
        number = self._next_id
        return self._add(SendEvent(target, name, make_input(number)))

    def expect_event(self, name: str) -> Wait:
        """The next event of that name, whatever its letter case; one that came early is taken at once."""
        key = name.lower()
        if self._early.get(key):
            return waits.resolved(self._early[key].popleft())
        wait = Wait()
        self._expected.setdefault(key, deque()).append(wait)
        return wait

    def continue_as_new(self, input_text: str | None) -> None:
        self._continue = Complete(Status.CONTINUED_AS_NEW, input_text)

    # -- the walk

    def walk(self, events: list[Event]) -> None:
        """Replay events in their order. Raises NonDeterminismError."""
        for event in events:
            self._step(event)

    def finish(self) -> None:
        """After the last event: complete the execution if its body has ended and nothing is open."""
        if self._open or self._outcome is None or not self._outcome.done:
            return
        if self._outcome.error is None:
            self._complete(Complete(Status.COMPLETED, self._outcome.value))
        else:
            self.fail(self._outcome.error)

    def fail(self, error: Exception) -> None:
        details = error.details if isinstance(error, OrchestrationError) else repr(error)
        self._complete(Complete(Status.FAILED, str(error), details))

    def _step(self, event: Event) -> None:
        kind = event["EventType"]
        if self.suspended and kind not in (EventType.EXECUTION_RESUMED, EventType.EXECUTION_TERMINATED):
            self._held.append(event)
            return
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    def _started(self, event: Event) -> None:
        self.now = max(self.now, to_micros(parse(event["Timestamp"])))

    def _execution_started(self, _: Event) -> None:
        self._outcome = waits.run(self._body(self))

    def _task_scheduled(self, event: Event) -> None:
        determinism.check_task(event, self.commands.get(event["EventId"]))
        del self.commands[event["EventId"]]

    def _timer_created(self, event: Event) -> None:
        determinism.check_timer(event, self.commands.get(event["EventId"]))
        del self.commands[event["EventId"]]

    def _sub_orchestration_created(self, event: Event) -> None:
        determinism.check_sub_orchestration(event, self.commands.get(event["EventId"]))
        del self.commands[event["EventId"]]

    def _event_sent(self, event: Event) -> None:
        determinism.check_event_sent(event, self.commands.get(event["EventId"]))
        del self.commands[event["EventId"]]

    def _task_completed(self, event: Event) -> None:
        self._close(event["TaskScheduledId"], None)

    def _task_failed(self, event: Event) -> None:
        self._close(event["TaskScheduledId"], TaskFailedError(event["Reason"]))

    def _timer_fired(self, event: Event) -> None:
        self._close(event["TimerId"], None)

    def _event_raised(self, event: Event) -> None:
        if self._continue is not None:
            self.carried.append(event)
            return
        key = event["Name"].lower()
        expected = self._expected.get(key)
        if expected:
            expected.popleft().resolve(event["Input"])
        else:
            self._early.setdefault(key, deque()).append(event["Input"])

    def _terminated(self, event: Event) -> None:
        self._complete(Complete(Status.TERMINATED, event["Input"]))

    def _suspended(self, _: Event) -> None:
        """Commands not yet in history wait for the resume, or they would be carried out once a turn until then."""
        self.suspended = True
        self._stash.update(self.commands)
        self.commands.clear()

    def _resumed(self, _: Event) -> None:
        self.suspended = False
        self.commands.update(self._stash)
        self._stash.clear()
        while self._held and not self.suspended:
            self._step(self._held.popleft())

    # -- numbers

    def _add(self, command: Command) -> int:
        number = self._next_id
        self._next_id += 1
        self.commands[number] = command
        return number

    def _open_task(self, command: Command) -> Wait:
        return self._opened(self._add(command))

    def _opened(self, number: int) -> Wait:
        wait = self._open[number] = Wait()
        return wait

    def _close(self, number: int, error: Exception | None) -> None:
        """End an open task; what is not open was cancelled, or comes twice, and is let pass."""
        wait = self._open.pop(number, None)
        if wait is None:
            return
        if error is None:
            wait.resolve()
        else:
            wait.fail(error)

    def _complete(self, end: Complete) -> None:
        if end.status is Status.COMPLETED and self._continue is not None:
            end = self._continue
        elif self._ended:
            self._next_id += 1
            return
        else:
            self._ended = True
        self._add(end)


HANDLERS: dict[int, Callable[[Execution, Event], None]] = {
    EventType.ORCHESTRATOR_STARTED: Execution._started,  # noqa: SLF001 - the table of its own methods
    EventType.EXECUTION_STARTED: Execution._execution_started,  # noqa: SLF001
    EventType.EXECUTION_TERMINATED: Execution._terminated,  # noqa: SLF001
    EventType.EXECUTION_SUSPENDED: Execution._suspended,  # noqa: SLF001
    EventType.EXECUTION_RESUMED: Execution._resumed,  # noqa: SLF001
    EventType.TASK_SCHEDULED: Execution._task_scheduled,  # noqa: SLF001
    EventType.TASK_COMPLETED: Execution._task_completed,  # noqa: SLF001
    EventType.TASK_FAILED: Execution._task_failed,  # noqa: SLF001
    EventType.SUB_ORCHESTRATION_CREATED: Execution._sub_orchestration_created,  # noqa: SLF001
    EventType.SUB_ORCHESTRATION_COMPLETED: Execution._task_completed,  # noqa: SLF001
    EventType.SUB_ORCHESTRATION_FAILED: Execution._task_failed,  # noqa: SLF001
    EventType.TIMER_CREATED: Execution._timer_created,  # noqa: SLF001
    EventType.TIMER_FIRED: Execution._timer_fired,  # noqa: SLF001
    EventType.EVENT_SENT: Execution._event_sent,  # noqa: SLF001
    EventType.EVENT_RAISED: Execution._event_raised,  # noqa: SLF001
}

__all__ = ["Execution", "NonDeterminismError", "OrchestrationError", "TaskFailedError"]
