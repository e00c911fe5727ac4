"""Calling the app's functions: arguments from bindings, the context object, output values, one log line a run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum, get_binding_registry

from local.host import ids
from local.host.failures import AppExitError, contained, told
from local.host.functions import Function
from local.host.log import Log

TRIGGERED = "This function was programmatically called via the host APIs."


class BindingError(Exception):
    """A binding of a function cannot be served here; the message says which and what to do."""


class TraceContext(func._abc.TraceContext):  # noqa: SLF001 - the abstract base is only there
    trace_state = ""
    trace_parent = ""
    attributes: dict[str, str] = {}  # noqa: RUF012 - always empty
    Tracestate = ""
    Traceparent = ""
    Attributes: dict[str, str] = {}  # noqa: RUF012 - always empty


class RetryContext(func._abc.RetryContext):  # noqa: SLF001 - the abstract base is only there
    exception = None

    def __init__(self, retry_count: int, max_retry_count: int) -> None:
        self.retry_count = retry_count
        self.max_retry_count = max_retry_count

    retry_count = 0
    max_retry_count = 0


class InvocationContext(func.Context):
    """What a parameter named `context` receives."""

    invocation_id = ""
    thread_local_storage = threading.local()
    function_name = ""
    function_directory = ""
    trace_context = TraceContext()
    retry_context = RetryContext(0, 0)

    def __init__(self, function: Function, invocation_id: str, retry: RetryContext) -> None:
        self.function_name = function.name
        self.function_directory = function.directory
        self.invocation_id = invocation_id
        self.retry_context = retry


class OutValue(func.Out):
    """A `func.Out` parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


class Invoker:
    """Calls functions. Async ones run on `loop`; sync HTTP and trigger functions in `pool`."""

    def __init__(self, log: Log, pool: Executor, client_binding: Callable[[dict[str, Any]], str]) -> None:
        self._log = log
        self._pool = pool
        self._client_binding = client_binding
        self.timeout: float | None = None

    def arguments(
        self, function: Function, trigger: Any, invocation_id: str, retry: RetryContext | None = None
    ) -> tuple[dict[str, Any], dict[str, OutValue]]:
        """The keyword arguments of one call, and its output parameters by name. Raises BindingError."""
        values = {function.trigger.name: trigger}
        for binding in function.inputs:
            if binding.type != "durableClient":
                raise BindingError(f"function {function.name}: this host has no input binding of type {binding.type}")
            text = self._client_binding(binding.settings)
            converter = get_binding_registry().get(binding.type)
            values[binding.name] = converter.decode(Datum(text, "string"), trigger_metadata=None)
        outs = {binding.name: OutValue() for binding in function.outputs}
        values.update(outs)
        if function.wants_context:
            values["context"] = InvocationContext(function, invocation_id, retry or RetryContext(0, 0))
        return values, outs

    @contextlib.contextmanager
    def logged(self, function: Function, invocation_id: str, reason: str = TRIGGERED) -> Iterator[None]:
        """Write the line of one run, whether it ends well or raises."""
        self._log.executing(function.name, invocation_id, reason)
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            self._log.executed(function.name, invocation_id, time.perf_counter() - started, told(error))
            raise
        self._log.executed(function.name, invocation_id, time.perf_counter() - started)

    def call_here(self, function: Function, trigger: Any, invocation_id: str | None = None) -> Any:
        """Run a sync function in the calling thread, and return what it returns."""
        invocation_id = invocation_id or ids.guid()
        values, _ = self.arguments(function, trigger, invocation_id)
        with self.logged(function, invocation_id), contained():
            return function.call(**values)

    async def call(
        self, function: Function, trigger: Any, reason: str = TRIGGERED, retry: RetryContext | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Run a function, async on this loop or sync in the pool. Returns its value and its output parameters."""
        invocation_id = ids.guid()
        values, outs = self.arguments(function, trigger, invocation_id, retry)
        with self.logged(function, invocation_id, reason):
            returned = await self._within_timeout(function, self._run(function, values))
        return returned, {name: out.get() for name, out in outs.items() if out.get() is not None}

    async def _run(self, function: Function, values: dict[str, Any]) -> Any:
        if function.is_async:
            try:
                return await function.call(**values)
            except (SystemExit, KeyboardInterrupt) as error:  # either would end the event loop, and so the host
                raise AppExitError(error) from error
        context = contextvars.copy_context()
        call = functools.partial(context.run, _contained_call, function, values)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def _within_timeout(self, function: Function, running: Any) -> Any:
        if self.timeout is None:
            return await running
        try:
            return await asyncio.wait_for(running, self.timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(
                f"Timeout value of {self.timeout:g} s was exceeded by function: Functions.{function.name} "
                f"(functionTimeout in host.json)"
            ) from None


def _contained_call(function: Function, values: dict[str, Any]) -> Any:
    with contained():
        return function.call(**values)
