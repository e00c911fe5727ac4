"""What is replaced inside azure-functions-durable 1.7, in this process only.

Because it is slow:

`dateutil.parser.parse` on every event's Timestamp is nine tenths of a replay. Times that this host wrote are read by
`fromisoformat`; anything else still goes to the parser that was there. And every replay makes a new namedtuple class,
of the same fields each time.

Because it breaks apps: 1.7.0 hands a second argument to the client's constructor, and an app that has wrapped that of
earlier versions takes one. And an orchestrator that raises SystemExit gets past the SDK, which keeps Exceptions
only: without the actions asked for until then its failure would look like a change of its code.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from local.host.failures import AppExitError

# By name: the package re-exports the class of that name over the module.
EVENT_MODULE = "azure.durable_functions.models.history.HistoryEvent"
EXECUTOR_MODULE = "azure.durable_functions.models.TaskOrchestrationExecutor"
DECORATORS_MODULE = "azure.durable_functions.decorators.durable_app"
STAMP_LENGTH = len("2025-01-01T10:00:00.123456Z")


def install() -> None:
    """Replace them, once."""
    events: Any = importlib.import_module(EVENT_MODULE)
    if not getattr(events.dt_parse, "is_fast", False):
        events.dt_parse = _fast(events.dt_parse)
        executor: Any = importlib.import_module(EXECUTOR_MODULE)
        executor.namedtuple = functools.cache(executor.namedtuple)
        executions = executor.TaskOrchestrationExecutor
        executions.resume_user_code = _containing(executions.resume_user_code)
        blueprint: Any = importlib.import_module(DECORATORS_MODULE).Blueprint
        blueprint._add_rich_client = _tolerant(blueprint._add_rich_client)  # noqa: SLF001 - the one place of it


def _containing(resume: Callable[[Any], None]) -> Callable[[Any], None]:
    def resume_user_code(self: Any) -> None:
        try:
            resume(self)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 - kept, as the SDK keeps Exceptions
            self.exception, self.current_task = AppExitError(error), None

    return resume_user_code


def _tolerant(add_rich_client: Callable[..., Any]) -> Callable[..., Any]:
    def add(self: Any, builder: Any, parameter: str, make: Callable[..., Any]) -> Any:
        def client(starter: str, invocation_id: str | None = None) -> Any:
            # Looked at for each call: an app may put its own constructor there at any time.
            takes_both = len(inspect.signature(make).parameters) > 1
            return make(starter, invocation_id) if takes_both else make(starter)

        return add_rich_client(self, builder, parameter, client)

    return add


def _fast(slow: Callable[..., Any]) -> Callable[..., Any]:
    def parse(text: str, *arguments: Any, **options: Any) -> Any:
        if len(text) == STAMP_LENGTH and text[-1] == "Z":
            try:
                return dt.datetime.fromisoformat(text[:-1] + "+00:00")
            except ValueError:
                pass
        return slow(text, *arguments, **options)

    parse.is_fast = True  # type: ignore[attr-defined]
    return parse
