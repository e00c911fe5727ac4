"""Running activities: sync ones in threads, async ones on the loop, call_http's requests beside them."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import failures, history, jsontext
from local.host.call_http import HttpCaller, HttpCallError
from local.host.functions import Function
from local.host.outputs import Outputs
from local.host.playback import HTTP_ACTIVITY, UnknownNameError
from local.host.records import Task
from local.host.services import Services

FIRST_THREADS = 2
BUSY_ENOUGH = 20
"""Activities done since the last look: so many that more threads would not help."""
Post = Callable[[Task, str], None]
"""Takes a finished activity and the event that tells its instance; called from any thread."""


class ActivityWorkers:
    """At most `limit` sync and `limit` async activities run at a time; the others wait in order."""

    def __init__(self, services: Services, outputs: Outputs, loop: asyncio.AbstractEventLoop, post: Post) -> None:
        self._services = services
        self._outputs = outputs
        self._loop = loop
        self._limit = max(1, services.settings.max_activities)
        self._post = post
        self._http = HttpCaller()
        self._queue: queue.SimpleQueue[tuple[Task, Function] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lost = 0
        """Threads in activities that are over their time: others do their work."""
        self._idle = 0
        self._lock = threading.Lock()
        self._waiting: deque[Task] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._unfinished = 0
        self._done = 0

    def submit(self, task: Task) -> None:
        """Start an activity, or queue it. From any thread; returns at once."""
        with self._lock:
            self._unfinished += 1
        function = self._services.registry.activities.get(task.name.lower())
        if function is not None and not function.is_async and not function.outputs:
            self._submit_sync(task, function)
        else:
            self._loop.call_soon_threadsafe(self._submit_async, task)

    async def close(self) -> None:
        """Let sync activities end with the process; cancel async ones. All of them run again at the next start."""
        self._waiting.clear()
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for _ in self._threads:
            self._queue.put(None)
        await self._http.close()

    # -- sync

    def _submit_sync(self, task: Task, function: Function) -> None:
        self._queue.put((task, function))
        with self._lock:
            if len(self._threads) - self._lost < min(FIRST_THREADS, self._limit) and self._idle < self._queue.qsize():
                self._add_thread()

    def grow(self) -> None:
        """Called now and then: more threads while activities wait behind ones that take long.

        Short ones are done fastest by few threads, which then do not fight for the interpreter.
        """
        with self._lock:
            done, self._done = self._done, 0
            if done <= BUSY_ENOUGH:
                free = self._limit - (len(self._threads) - self._lost)
                for _ in range(min(self._queue.qsize() - self._idle, free)):
                    self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"activity-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            item = self._queue.get()
            with self._lock:
                self._idle -= 1
            if item is None:
                return
            task, function = item
            self._run_sync(task, function)

    def _run_sync(self, task: Task, function: Function) -> None:
        def on_timeout(error: failures.FunctionTimeoutError) -> None:
            with self._lock:
                self._lost += 1
            self._finish(task, self._failed(task, *failures.activity_failure(task.name, error)))

        invoker = self._services.invoker
        try:
            result = invoker.call_here(function, decoded(task), finish=encoded, on_timeout=on_timeout)
        except failures.FunctionTimeoutError:
            # The orchestration was told when the time was over; this thread is at hand again.
            with self._lock:
                self._lost -= 1
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the activity's own failure
            event = self._failed(task, *failures.activity_failure(task.name, error))
        else:
            event = history.text(history.task_completed(self._services.clock.micros(), task.number, result))
        self._finish(task, event)

    def _failed(self, task: Task, reason: str, details: str) -> str:
        return history.text(history.task_failed(self._services.clock.micros(), task.number, reason, details))

    def _finish(self, task: Task, event: str) -> None:
        self._post(task, event)
        with self._lock:
            self._unfinished -= 1
            self._done += 1

    # -- async

    def _submit_async(self, task: Task) -> None:
        self._waiting.append(task)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._limit:
            running = self._loop.create_task(self._run_async(self._waiting.popleft()))
            self._running.add(running)
            running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._start_waiting()

    async def _run_async(self, task: Task) -> None:
        try:
            result = await self._answer(task)
        except asyncio.CancelledError:
            raise
        except HttpCallError as error:
            event = self._failed(task, error.reason, error.details)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the activity's own failure
            event = self._failed(task, *failures.activity_failure(task.name, error))
        else:
            event = history.text(history.task_completed(self._services.clock.micros(), task.number, result))
        self._finish(task, event)

    async def _answer(self, task: Task) -> str | None:
        if task.name == HTTP_ACTIVITY:
            return await self._http.call(jsontext.loads(task.input or "{}"))
        function = self._services.registry.activities.get(task.name.lower())
        if function is None:
            raise UnknownNameError(self._services.registry.unknown(task.name, "activityTrigger"))

        async def finish(returned: Any, outs: dict[str, Any]) -> str | None:
            result = encoded(returned)
            await self._outputs.deliver(function, None, outs)
            return result

        result: str | None = await self._services.invoker.call(function, decoded(task), finish=finish)
        return result

    def is_idle(self) -> bool:
        return self._unfinished == 0


def decoded(task: Task) -> Any:
    """What the activity's function receives for its trigger."""
    converter = get_binding_registry().get("activityTrigger")
    return converter.decode(Datum(task.input if task.input is not None else "null", "string"), trigger_metadata=None)


def encoded(returned: Any) -> str | None:
    """The Result of a TaskCompleted event: compact JSON, or None. Raises ValueError for what JSON cannot hold."""
    if returned is None:
        return None
    converter = get_binding_registry().get("activityTrigger")
    text: str = converter.encode(returned, expected_type=None).value
    return jsontext.compact(text)
