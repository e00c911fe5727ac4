"""`Op` on Durable Functions: steps, fan-outs and waits that can be cancelled.

The rules that this file keeps, and why (azure-functions-durable 1.7 and the engine, see docs/durable-rules.md):
a task goes into one `task_any` only; a race that was won cancels its timer; a wait that lost stays open, so it is
looked at before the next one; no timer is longer than five days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.bot import messages
from ringback.ids import short_id
from ringback.operations.answers import read_progress
from ringback.operations.operation import (
    CANCEL_EVENT,
    Decision,
    Operation,
    OperationCancelledError,
    OperationFailedError,
    OperationStart,
    Retry,
    Span,
    Status,
    Steps,
)

MAX_TIMER = timedelta(days=5)
DEFAULT_RETRY = Retry()
# A task_all of more than 500 tasks overflows the SDK's recursion when it is replayed.
MAX_WIDTH = 100
TIMED_OUT = object()
UNEXPECTED = "Something went wrong inside the operation. The people who run this bot can see why."
# What Python raises for a mistake in the code: its words help nobody in a chat.
MISTAKES = frozenset(
    cls.__name__
    for cls in (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)
    for cls in (cls, *cls.__subclasses__())
)


class DurableOp:
    """One running operation, over its orchestration's context."""

    def __init__(self, context: df.DurableOrchestrationContext, start: OperationStart, operation: Operation) -> None:
        self._context = context
        self._start = start
        self._operation = operation
        self._deadline: datetime = context.current_utc_datetime + operation.deadline
        self._waits: dict[str, list[Any]] = {}
        self._approvals = 0
        self._shown: Status | None = None
        self.status = Status(operation=operation.name, state="running", percent=0, step="", text="starting")
        self.show()

    @property
    def id(self) -> str:
        return str(self._context.instance_id)

    @property
    def input(self) -> dict[str, Any]:
        return self._start.input

    @property
    def now(self) -> datetime:
        now: datetime = self._context.current_utc_datetime
        return now

    def show(self, **changes: Any) -> None:
        """Change the custom status."""
        self.status = msgspec.structs.replace(self.status, **changes)
        self._context.set_custom_status(msgspec.to_builtins(self.status))

    def progress(self, percent: int, text: str) -> None:
        self.show(percent=max(0, min(100, int(percent))), text=text)

    def refresh(self) -> Steps:
        """Bring the progress shown in the chat up to date, where the channel can change a message.

        Never between two waits for one event: what comes while no wait is open may be lost (docs/durable-rules.md).
        """
        seen = msgspec.structs.replace(self.status, step="")
        if not self._start.editable or seen == self._shown:
            return
        self._shown = seen
        content = messages.progress(self._operation.title, self.id, seen.state, seen.percent, seen.text)
        with suppress(Exception):  # the SDK raises nothing narrower; an old picture is no reason to fail
            yield self._context.call_activity("update_message", {"operation_id": self.id, "content": content})

    def step(self, activity: str, payload: dict[str, Any] | None = None, *, retry: Retry = DEFAULT_RETRY) -> Steps:
        self._begin_step(activity)
        yield from self.refresh()
        try:
            result = yield self._call(activity, payload or {}, retry)
        except Exception as error:
            raise step_failed(error) from error
        return self._checked(result)

    def fan_out(
        self,
        activity: str,
        payloads: Sequence[dict[str, Any]],
        *,
        width: int = 10,
        retry: Retry = DEFAULT_RETRY,
        span: Span | None = None,
    ) -> Steps:
        width = max(1, min(width, MAX_WIDTH))
        results: list[Any] = []
        for first in range(0, len(payloads), width):
            self._begin_step(activity)
            if span is not None:
                done = first * (span.end - span.start) // len(payloads)
                self.progress(span.start + done, span.text)
            yield from self.refresh()
            window = [self._call(activity, payload, retry) for payload in payloads[first : first + width]]
            try:
                answers = yield self._context.task_all(window)
            except Exception as error:
                raise step_failed(error) from error
            results.extend(self._checked(answer) for answer in answers)
        if span is not None:
            self.progress(span.end, span.text)
        return results

    def cleanup(self, activity: str, payload: dict[str, Any] | None = None) -> Steps:
        with suppress(Exception):  # the SDK raises nothing narrower
            yield self._call(activity, payload or {}, DEFAULT_RETRY)

    def approval(self, question: str, *, timeout: timedelta) -> Steps:
        self._approvals += 1
        event = f"approval-{self._approvals}"
        until = self.now + timeout
        label = short_id(self.id)
        content = messages.approval(self._operation, self.id, label, question, event)
        waiting = {"kind": "approval", "event": event, "question": question}
        yield from self.step("ask_user", {"content": content, "waiting": waiting})
        self.show(state="waiting", step=event, text=f"waiting for an answer to: {question}")
        answer = yield from self._race(event, until)
        self.show(state="running")
        if answer is TIMED_OUT:
            return Decision("timed_out")
        answer = answer if isinstance(answer, dict) else {"decision": answer}
        approved = answer.get("decision") in {"approved", "approve", "yes", True}
        return Decision("approved" if approved else "rejected", answer.get("by"))

    def external(self, name: str, *, timeout: timedelta) -> Steps:
        until = self.now + timeout
        while True:
            self.show(state="waiting", step=name)
            answer = yield from self._race(name, until)
            if answer is TIMED_OUT:
                raise OperationFailedError("The other system did not answer in time.")
            if not (isinstance(answer, dict) and answer.keys() & {"result", "error", "progress"}):
                break
            if answer.get("error") is not None:
                raise OperationFailedError(_text(answer["error"]).strip() or "The other system gave no reason.")
            if "result" in answer:
                answer = answer["result"]
                break
            self._external_progress(answer)
        self.show(state="running")
        return answer

    def _external_progress(self, answer: dict[str, Any]) -> None:
        percent, text = read_progress(answer.get("progress"))
        text = str(answer.get("text") or text or self.status.text)
        self.progress(self.status.percent if percent is None else percent, text)

    def _begin_step(self, activity: str) -> None:
        if self._cancel_seen():
            raise OperationCancelledError
        if self.now >= self._deadline:
            raise OperationFailedError(self._deadline_text())
        self.show(state="running", step=activity)

    def _deadline_text(self) -> str:
        return f"It took longer than the {self._operation.deadline} that it is given."

    def _call(self, activity: str, payload: dict[str, Any], retry: Retry) -> Any:
        milliseconds = max(1, int(retry.first_interval / timedelta(milliseconds=1)))
        options = df.RetryOptions(milliseconds, max(1, retry.attempts))
        return self._context.call_activity_with_retry(activity, options, {**payload, "operation_id": self.id})

    def _checked(self, result: Any) -> Any:
        if isinstance(result, dict):
            if result.get("cancelled") is True:
                raise OperationCancelledError
            if isinstance(result.get("failed"), str):
                raise OperationFailedError(result["failed"])
        return result

    def _cancel_seen(self) -> bool:
        return any(wait.is_completed for wait in self._waits.get(CANCEL_EVENT, ()))

    def _race(self, name: str, until: datetime) -> Steps:
        """Wait for the event, at most until a time; cancelling and the operation's deadline end the wait as well."""
        last = min(until, self._deadline)
        while True:
            if self._cancel_seen():
                raise OperationCancelledError
            early = self._take_completed(name)
            if early is not None:
                return event_value(early.result)
            if self.now >= last:
                break
            timer = self._context.create_timer(min(last, self.now + MAX_TIMER))
            wait, cancel = self._wait(name), self._wait(CANCEL_EVENT)
            winner = yield self._context.task_any([cancel, wait, timer])
            if not timer.is_completed:
                timer.cancel()
            if winner is cancel:
                raise OperationCancelledError
        if last < until:
            raise OperationFailedError(self._deadline_text())
        return TIMED_OUT

    def _wait(self, name: str) -> Any:
        wait = self._context.wait_for_external_event(name)
        self._waits.setdefault(name, []).append(wait)
        return wait

    def _take_completed(self, name: str) -> Any | None:
        for wait in self._waits.get(name, []):
            if wait.is_completed:
                self._waits[name].remove(wait)
                # SDK 1.7 hands an event that came early to every later wait of its name (its issue #507); the engine
                # hands it out once. Forgetting it here makes the SDK agree.
                self._context.deferred_tasks.pop(name, None)
                return wait
        return None


def event_value(data: Any) -> Any:
    """An event's data: the Python client's raise_event sends JSON inside a JSON string, the HTTP API plain JSON."""
    if isinstance(data, str):
        try:
            return json.loads(data)
        except ValueError:
            return data
    return data


def step_failed(error: Exception) -> OperationFailedError:
    """The failure of an activity: its reason for the user; what Python said too, where that is not the reason."""
    reason = failure_reason(error)
    return OperationFailedError(reason, str(error).split("\n", 1)[0] if reason == UNEXPECTED else None)


def failure_reason(error: Exception) -> str:
    """What an activity raised, in words for the user: without the engine's and Python's words around it.

    The engine words it `Activity function 'x' failed:  ValueError: boom`, then a line of details.
    """
    text = str(error).split("\n", 1)[0].strip()
    _, found, rest = text.partition(" failed: ")
    text = rest.strip() if found else text
    name, colon, message = text.partition(": ")
    if name in MISTAKES:
        return UNEXPECTED
    return (message if colon and name.isidentifier() and message else text) or UNEXPECTED


def _text(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return value["message"]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def names_called(operations: Iterable[Operation]) -> set[str]:
    """Every activity that an operation can reach through `Op`."""
    return {"ask_user", "update_message", *(name for operation in operations for name in operation.activities)}
