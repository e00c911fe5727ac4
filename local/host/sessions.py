"""Orchestrators kept running between turns, so that a turn costs what is new in it and not its whole history.

The SDK's own executor is kept and handed the new events, as it would have read them at the end of a longer history.
Short histories are still replayed from the start on every turn, and long ones each time they have doubled: replays are
what shows a developer an orchestrator that is not deterministic. Orchestrators that use timers are always replayed: the
SDK changes a timer's action after it was asked for.
"""

from __future__ import annotations

import time
from typing import Any

from azure.durable_functions.models import DurableOrchestrationContext
from azure.durable_functions.models.history import HistoryEvent
from azure.durable_functions.orchestrator import Orchestrator

from local.host import jsontext
from local.host.functions import Function
from local.host.history import Event, EventType
from local.host.playback import ActionType, Answer

STEADY_ACTIONS = frozenset(
    (
        ActionType.CALL_ACTIVITY,
        ActionType.CALL_SUB_ORCHESTRATOR,
        ActionType.WAIT_FOR_EXTERNAL_EVENT,
        ActionType.CALL_ENTITY,
        ActionType.SIGNAL_ENTITY,
        ActionType.CALL_HTTP,
    )
)
COMPOUND_ACTIONS = frozenset((ActionType.WHEN_ALL, ActionType.WHEN_ANY))
STEADY_EVENTS = frozenset(
    (
        EventType.ORCHESTRATOR_STARTED,
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.SUB_ORCHESTRATION_COMPLETED,
        EventType.SUB_ORCHESTRATION_FAILED,
        EventType.EVENT_RAISED,
    )
)
_HANDLE = Orchestrator.create(lambda context: context).__code__


def can_keep(function: Function) -> bool:
    """Is the function what the SDK's decorator made, with nothing around it that wants to see each call?"""
    return getattr(function.call, "__code__", None) is _HANDLE


def is_steady(actions: list[dict[str, Any]]) -> bool:
    """Do these actions stay as they are once asked for?"""
    for action in actions:
        kind = action["actionType"]
        if kind in COMPOUND_ACTIONS:
            if not is_steady(action["compoundActions"]):
                return False
        elif kind not in STEADY_ACTIONS:
            return False
    return True


class Session:
    """One orchestrator function, suspended where its last turn left it."""

    def __init__(self, function: Function, payload: str) -> None:
        """Replays all of `payload`; `state` is then what the SDK answered. Raises what the orchestrator raises."""
        context = DurableOrchestrationContext.from_json(payload)
        context._input_expected_type = getattr(function.call, "_df_input_type", None)  # noqa: SLF001 - as the SDK does
        orchestrator = Orchestrator(function.call.orchestrator_function)  # type: ignore[attr-defined]
        self.state: str = orchestrator.handle(context)
        self._context = context
        self._executor = orchestrator.task_orchestration_executor
        self._told = len(context._action_payload_v2)  # noqa: SLF001 - what a full answer is made of
        self.started = time.monotonic()

    def advance(self, events: list[Event]) -> Answer | None:
        """Hand on new events; the answer holds only the actions that are new. None: it has to be replayed in full.

        Raises what the orchestrator raises, with the SDK's state in its text.
        """
        executor, context = self._executor, self._context
        executor._is_processing_new_events = True  # noqa: SLF001 - set by the SDK's own loop over history
        for event in events:
            executor.process_event(HistoryEvent(**event))
            if executor.has_execution_completed:
                return None
        actions = [action.to_json() for action in context._action_payload_v2[self._told :]]  # noqa: SLF001
        self._told += len(actions)
        custom = context.custom_status
        return Answer(
            actions=actions,
            custom_status=jsontext.dumps(custom) if custom else None,
        )
