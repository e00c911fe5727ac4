"""Calling the app's functions: arguments from bindings, the context object, output values, one log line a run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum, get_binding_registry

from local.host import ids
from local.host.failures import AppExitError, FunctionTimeoutError, RunFailedError, contained, told
from local.host.functions import Function
from local.host.log import Log
from local.host.time_limit import OnTimeout, TimeLimit

TRIGGERED = "This function was programmatically called via the host APIs."
CANCEL_SECONDS = 2.0
"""What an async function has to clean up in, when the host stops."""
Finish = Callable[[Any, dict[str, Any]], Awaitable[Any]]
"""Makes the outcome of a run of what the function returned and of its output parameters by name."""


class BindingError(RunFailedError):
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
    """Calls functions. Async ones run on the loop of their caller; sync HTTP and trigger functions in `pool`."""

    def __init__(self, log: Log, pool: Executor, client_binding: Callable[[dict[str, Any]], str]) -> None:
        self._log = log
        self._pool = pool
        self._client_binding = client_binding
        self.limit = TimeLimit(log)
        self._left: set[asyncio.Future[Any]] = set()
        """Async functions over their time that have not ended yet: a task that nobody holds may vanish half-way."""

    @property
    def timeout(self) -> float | None:
        """Seconds that a run may take; None: as long as it likes."""
        return self.limit.seconds

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self.limit.seconds = seconds

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

    # -- in the calling thread

    @contextlib.contextmanager
    def logged(self, function: Function, invocation_id: str, on_timeout: OnTimeout | None = None) -> Iterator[None]:
        """One run in this thread: its line in the log, whether it ends well or raises, and its time limit.

        Raises FunctionTimeoutError, whatever the code returned or raised, when its time was over before. That was
        logged then, and `on_timeout` called.
        """
        self._log.executing(function.name, invocation_id, TRIGGERED)
        run = self.limit.begin(function, invocation_id, on_timeout)
        try:
            try:
                yield
            finally:
                self.limit.end(run)
        except FunctionTimeoutError:
            raise
        except Exception as error:
            self._log.executed(function.name, invocation_id, time.perf_counter() - run.started, told(error))
            raise
        self._log.executed(function.name, invocation_id, time.perf_counter() - run.started)

    def call_here(
        self,
        function: Function,
        trigger: Any,
        finish: Callable[[Any], Any] | None = None,
        on_timeout: OnTimeout | None = None,
    ) -> Any:
        """Run a sync function in the calling thread. Returns what `finish` makes of what it returns, else that; the run
        has succeeded only when `finish` has.
        """
        invocation_id = ids.guid()
        with self.logged(function, invocation_id, on_timeout):
            values, _ = self.arguments(function, trigger, invocation_id)
            with contained():
                returned = function.call(**values)
            return returned if finish is None else finish(returned)

    # -- on the loop

    async def call(
        self,
        function: Function,
        trigger: Any,
        reason: str = TRIGGERED,
        retry: RetryContext | None = None,
        finish: Finish | None = None,
    ) -> Any:
        """Run a function, async on this loop or sync in the pool. Returns what `finish` makes of its value and its
        output parameters, else both; the run has succeeded only when `finish` has.
        """
        invocation_id = ids.guid()
        self._log.executing(function.name, invocation_id, reason)
        started = time.perf_counter()
        try:
            values, outs = self.arguments(function, trigger, invocation_id, retry)
            returned = await self._within_limit(function, invocation_id, values)
            given = {name: out.get() for name, out in outs.items() if out.get() is not None}
            outcome = (returned, given) if finish is None else await finish(returned, given)
        except Exception as error:
            self._log.executed(function.name, invocation_id, time.perf_counter() - started, told(error))
            raise
        self._log.executed(function.name, invocation_id, time.perf_counter() - started)
        return outcome

    async def _within_limit(self, function: Function, invocation_id: str, values: dict[str, Any]) -> Any:
        call = _Call(function, values)
        running = call.begin(self._pool)
        try:
            ended, _ = await asyncio.wait({running}, timeout=self.timeout)
        except asyncio.CancelledError:
            call.stopped = True
            running.cancel()
            await asyncio.wait({running}, timeout=CANCEL_SECONDS)
            raise
        if ended or self.timeout is None:
            return running.result()
        self.limit.tell(function, invocation_id, self.timeout)
        self._leave(running, call)
        raise FunctionTimeoutError(function.name, self.timeout)

    def _leave(self, running: asyncio.Future[Any], call: _Call) -> None:
        """Go on without a function that is over its time: whatever comes of it is dropped."""
        call.stopped = True
        running.cancel()
        self._left.add(running)
        running.add_done_callback(self._left.discard)
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not call.function.is_async and isinstance(self._pool, ThreadPoolExecutor):
            # Its thread is lost for the others until its code returns; they get another one.
            self._pool._max_workers += 1  # noqa: SLF001 - the only way to let an executor grow
            self._pool.submit(int)


class _Call:
    """One call of a function, beside its caller: what its code raises is told from what the host does to it."""

    def __init__(self, function: Function, values: dict[str, Any]) -> None:
        self.function = function
        self.stopped = False
        """The host has cancelled it."""
        self._values = values

    def begin(self, pool: Executor) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        if self.function.is_async:
            return loop.create_task(self._async())
        context = contextvars.copy_context()
        return loop.run_in_executor(pool, functools.partial(context.run, self._sync))

    def _sync(self) -> Any:
        with contained():
            return self.function.call(**self._values)

    async def _async(self) -> Any:
        try:
            return await self.function.call(**self._values)
        except asyncio.CancelledError as error:
            if self.stopped:
                raise
            raise AppExitError(error) from error
        except (SystemExit, KeyboardInterrupt) as error:  # either would end the event loop, and so the host
            raise AppExitError(error) from error
