"""Waiting for a time, unless the instance is cancelled or woken first, by the rules of docs/durable-rules.md."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from orchestrators.operation_context import event_value
from ringback.operations.operation import Steps

MAX_TIMER = timedelta(days=5)


class CancellableClock:
    """Sleeps of one orchestration; `cancelled` once the event has come."""

    def __init__(self, context: df.DurableOrchestrationContext, event: str) -> None:
        self._context = context
        self._event = event
        self._waits: list[Any] = []
        self._wakes: list[Any] = []

    @property
    def cancelled(self) -> bool:
        """Whether the event has come, seen at the last turn."""
        return any(wait.is_completed for wait in self._waits)

    @property
    def reason(self) -> str | None:
        """What the event gave as `reason`."""
        came = next((event_value(wait.result) for wait in self._waits if wait.is_completed), None)
        return str(came["reason"]) if isinstance(came, dict) and came.get("reason") else None

    @property
    def woken(self) -> bool:
        """Whether a sleep was broken off by its `wake` event.

        Begin anew then: the SDK keeps an event that came before its wait, and answers every later wait with it.
        """
        return any(wait.is_completed for wait in self._wakes)

    @property
    def sleeps(self) -> int:
        """How many timers were made; each stays in the history."""
        return len(self._waits)

    def sleep_until(self, due: datetime, wake: str | None = None) -> Steps:
        """Return True when it is time or the event `wake` came, False when the instance was cancelled before."""
        while not self.cancelled and not self.woken and self._context.current_utc_datetime < due:
            timer = self._context.create_timer(min(due, self._context.current_utc_datetime + MAX_TIMER))
            race = [self._context.wait_for_external_event(self._event)]
            self._waits.append(race[0])
            if wake is not None:
                race.append(self._context.wait_for_external_event(wake))
                self._wakes.append(race[1])
            yield self._context.task_any([*race, timer])
            if not timer.is_completed:
                timer.cancel()
        return not self.cancelled
