"""functionTimeout of host.json for code that runs in threads: found out from outside, told at once, too late after.

Python cannot end a thread. A run over its limit has failed from then on, whatever its code still does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from local.host.failures import FunctionTimeoutError, span_text
from local.host.functions import Function
from local.host.log import Log

TURNS = ("orchestrationTrigger", "entityTrigger")
OnTimeout = Callable[[FunctionTimeoutError], None]


@dataclass(eq=False)
class Run:
    """One call of a function in a thread."""

    function: Function
    id: str
    on_timeout: OnTimeout | None
    started: float = field(default_factory=time.perf_counter)
    limit: float | None = None
    """The limit that it has passed."""


class TimeLimit:
    """`seconds` that a run may take; None: as long as it likes."""

    def __init__(self, log: Log) -> None:
        self.seconds: float | None = None
        self._log = log
        self._lock = threading.Lock()
        self._runs: set[Run] = set()

    def begin(self, function: Function, run_id: str, on_timeout: OnTimeout | None) -> Run:
        """`on_timeout` is called, from another thread, when the limit passes before `end`."""
        run = Run(function, run_id, on_timeout)
        if self.seconds is not None:
            with self._lock:
                self._runs.add(run)
        return run

    def end(self, run: Run) -> None:
        """Raises FunctionTimeoutError when the run was over its time, and was told as failed."""
        with self._lock:
            self._runs.discard(run)
        if run.limit is not None:
            self._log.line(
                f"'Functions.{run.function.name}' (Id: '{run.id}') has ended at last, after "
                f"{span_text(time.perf_counter() - run.started)}; its result is dropped"
            )
            raise FunctionTimeoutError(run.function.name, run.limit)

    def enforce(self) -> None:
        """Called now and then: fail the runs whose time is over."""
        limit = self.seconds
        if limit is None or not self._runs:
            return
        now = time.perf_counter()
        with self._lock:
            late = [run for run in self._runs if now - run.started > limit]
            self._runs.difference_update(late)
            for run in late:
                run.limit = limit
        for run in late:
            error = FunctionTimeoutError(run.function.name, limit)
            self.tell(run.function, run.id, limit)
            self._log.executed(run.function.name, run.id, now - run.started, str(error))
            if run.on_timeout is not None:
                run.on_timeout(error)

    def tell(self, function: Function, run_id: str, limit: float) -> None:
        """Say what goes on after the limit, in one line."""
        if function.is_async:
            follows = "It is cancelled."
        else:
            follows = "Python cannot end its thread: its code runs on until it returns, and the result is dropped."
        if function.kind in TURNS:
            follows += " Then the turn is run again, as after the restart of the worker in Azure."
        self._log.problem(
            f"Timeout value of {span_text(limit)} exceeded by function 'Functions.{function.name}' (Id: '{run_id}'). "
            f"{follows}"
        )
