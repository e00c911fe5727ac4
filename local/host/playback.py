"""The actions that an orchestrator's Python code asked for, played back into an Execution.

The SDK answers every turn with the whole list of its actions since the start. They are handled one after the other,
each waited for, as the Durable extension's out-of-process shim does: a failure is swallowed, for the Python code has
seen it in its history and decided what follows.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from local.host import jsontext, waits
from local.host.clock import parse, to_micros
from local.host.execution import Execution, OrchestrationError
from local.host.waits import Wait

HTTP_ACTIVITY = "BuiltIn::HttpActivity"
ENTITY_REPLIES = uuid.UUID("0b5eff72-9d8b-4a8c-9d0e-3e6f43f9a1c7")


class ActionType(IntEnum):
    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


class Names(Protocol):
    """What the app has: raises UnknownNameError with a text for the developer."""

    def require_activity(self, name: str) -> None: ...
    def require_orchestrator(self, name: str) -> None: ...
    def require_entity(self, name: str) -> None: ...


class UnknownNameError(Exception):
    """A name that no function of the app has, or that cannot be used."""


@dataclass(frozen=True)
class Answer:
    """What the orchestrator function answered: the SDK's OrchestratorState, or the failure of the call itself."""

    actions: list[dict[str, Any]]
    is_done: bool = False
    output: str | None = None
    custom_status: str | None = None
    failure: OrchestrationError | None = None


class Playback:
    """The body of an Execution. `instance_id` is the orchestration's own; `report` gets what the real host swallows."""

    def __init__(self, answer: Answer, instance_id: str, names: Names, version: str | None) -> None:
        self.report: Callable[[str], None] = lambda _: None
        self._answer = answer
        self._actions = deque(answer.actions)
        self._more: Wait | None = None
        self._instance_id = instance_id
        self._names = names
        self._version = version

    def extend(self, actions: list[dict[str, Any]]) -> None:
        """What the orchestrator has asked for since."""
        self._actions.extend(actions)
        more, self._more = self._more, None
        if more is not None and actions:
            more.resolve()
        elif more is not None:
            self._more = more

    async def __call__(self, execution: Execution) -> Any:
        while True:
            while self._actions:
                await _swallowed(self._invoke(execution, self._actions.popleft()))
            if self._answer.failure is not None:
                raise self._answer.failure
            if self._answer.is_done:
                return self._answer.output
            self._more = Wait()
            await self._more

    def _invoke(self, execution: Execution, action: dict[str, Any]) -> Wait:
        kind = action["actionType"]
        if kind in (ActionType.WHEN_ALL, ActionType.WHEN_ANY):
            parts = [self._invoke(execution, part) for part in action["compoundActions"]]
            return waits.all_of(parts) if kind == ActionType.WHEN_ALL else waits.any_of(parts)
        try:
            return INVOKERS.get(kind, Playback._unknown)(self, execution, action)
        except UnknownNameError as error:
            self.report(str(error))
            return waits.failed(error)

    def _unknown(self, _: Execution, action: dict[str, Any]) -> Wait:
        raise UnknownNameError(
            f"the orchestrator answered an action of type {action['actionType']}, unknown to this host"
        )

    def _activity(self, execution: Execution, action: dict[str, Any]) -> Wait:
        self._names.require_activity(action["functionName"])
        return execution.schedule_task(action["functionName"], action["input"])

    def _activity_with_retry(self, execution: Execution, action: dict[str, Any]) -> Wait:
        return waits.run(_retried(execution, action["retryOptions"], lambda: self._activity(execution, action)))

    def _sub_orchestration(self, execution: Execution, action: dict[str, Any]) -> Wait:
        self._names.require_orchestrator(action["functionName"])
        target = action.get("instanceId")
        if target and target.startswith("@"):
            raise UnknownNameError(f"the sub-orchestration id {target!r} begins with @, which only entities may")
        stored = jsontext.dumps(action["input"]) if action["input"] is not None else None
        version = action.get("version") or self._version
        return execution.create_sub_orchestration(action["functionName"], target, version, stored)

    def _sub_orchestration_with_retry(self, execution: Execution, action: dict[str, Any]) -> Wait:
        return waits.run(
            _retried(execution, action["retryOptions"], lambda: self._sub_orchestration(execution, action))
        )

    def _continue_as_new(self, execution: Execution, action: dict[str, Any]) -> Wait:
        execution.continue_as_new(jsontext.dumps(action["input"]) if action["input"] is not None else None)
        return waits.resolved()

    def _timer(self, execution: Execution, action: dict[str, Any]) -> Wait:
        return execution.create_timer(to_micros(parse(action["fireAt"])), cancelled=action["isCanceled"])

    def _external_event(self, execution: Execution, action: dict[str, Any]) -> Wait:
        return execution.expect_event(action["externalEventName"])

    def _http(self, execution: Execution, action: dict[str, Any]) -> Wait:
        return execution.schedule_task(HTTP_ACTIVITY, jsontext.dumps(action["httpRequest"]))

    def _call_entity(self, execution: Execution, action: dict[str, Any]) -> Wait:
        number = self._send(execution, action, signal=False)
        return execution.expect_event(reply_name(execution.execution_id, number))

    def _signal_entity(self, execution: Execution, action: dict[str, Any]) -> Wait:
        self._send(execution, action, signal=True)
        return waits.resolved()

    def _send(self, execution: Execution, action: dict[str, Any], *, signal: bool) -> int:
        target = entity_instance_id(action["instanceId"])
        self._names.require_entity(target.split("@")[1])

        def request(number: int) -> str:
            return jsontext.dumps(
                {
                    "op": action["operation"],
                    **({"signal": True} if signal else {}),
                    "input": None if action["input"] is None else jsontext.dumps(action["input"]),
                    "id": reply_name(execution.execution_id, number),
                    "parent": self._instance_id,
                    "parentExecution": execution.execution_id,
                }
            )

        return execution.send_event(target, "op", request)


def entity_instance_id(text: str) -> str:
    """`@Counter@Key` as the instance id that stores it: the name in lower case."""
    _, name, key = text.split("@", 2)
    return f"@{name.lower()}@{key}"


def reply_name(execution_id: str, number: int) -> str:
    """The name of the event that answers entity call `number`: the same on every replay."""
    return str(uuid.uuid5(ENTITY_REPLIES, f"{execution_id}:{number}"))


async def _swallowed(wait: Wait) -> None:
    try:  # noqa: SIM105 - contextlib.suppress costs more, and this runs once an action on every replay
        await wait
    except Exception:  # noqa: BLE001, S110 - the Python code has seen it
        pass


async def _retried(execution: Execution, options: dict[str, int], attempt: Callable[[], Wait]) -> Any:
    """Attempts with a durable timer after each failure. The one after the last is due at once: the SDK waits for it."""
    attempts = options["maxNumberOfAttempts"]
    for number in range(1, attempts + 1):
        try:
            return await attempt()
        except UnknownNameError:  # noqa: PERF203 - a retry is what the loop is for
            raise
        except Exception:
            delay = options["firstRetryIntervalInMilliseconds"] * 1000 if number < attempts else 0
            await execution.create_timer(execution.now + delay)
            if number == attempts:
                raise
    return None


INVOKERS: dict[int, Callable[[Playback, Execution, dict[str, Any]], Wait]] = {
    ActionType.CALL_ACTIVITY: Playback._activity,  # noqa: SLF001 - the table of its own methods
    ActionType.CALL_ACTIVITY_WITH_RETRY: Playback._activity_with_retry,  # noqa: SLF001
    ActionType.CALL_SUB_ORCHESTRATOR: Playback._sub_orchestration,  # noqa: SLF001
    ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY: Playback._sub_orchestration_with_retry,  # noqa: SLF001
    ActionType.CONTINUE_AS_NEW: Playback._continue_as_new,  # noqa: SLF001
    ActionType.CREATE_TIMER: Playback._timer,  # noqa: SLF001
    ActionType.WAIT_FOR_EXTERNAL_EVENT: Playback._external_event,  # noqa: SLF001
    ActionType.CALL_ENTITY: Playback._call_entity,  # noqa: SLF001
    ActionType.CALL_HTTP: Playback._http,  # noqa: SLF001
    ActionType.SIGNAL_ENTITY: Playback._signal_entity,  # noqa: SLF001
}

Body = Callable[[Execution], Coroutine[Wait, None, Any]]
