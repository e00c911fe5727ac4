"""The scheduler: which instance's turn is next, in which thread, and when timers are due.

One thread runs turns, one after the other; a turn is CPU-bound and takes about a millisecond. When an orchestrator or
entity of the app blocks its thread, another thread is added, up to the app's maxConcurrentOrchestratorFunctions.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable

from local.host.activities import ActivityWorkers
from local.host.entities import Entities
from local.host.records import Task
from local.host.services import Services
from local.host.turns import Orchestrations

STUCK_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0


class Engine:
    def __init__(self, services: Services, orchestrations: Orchestrations, entities: Entities) -> None:
        self.workers: ActivityWorkers | None = None
        self._store = services.store
        self._orchestrations = orchestrations
        self._entities = entities
        self._clock = services.clock
        self._log = services.log
        self._limit = max(1, services.settings.max_orchestrators)
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._queued: set[str] = set()
        self._busy: dict[str, float] = {}
        self._again: set[str] = set()
        self._results: list[tuple[Task, str]] = []
        self._next_timer: int | None = None
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what the last run left, then go on."""
        if self.workers is not None:
            for task in self._store.tasks():
                self.workers.submit(task)
        self._next_timer = self._store.next_timer()
        self.wake(self._store.waiting())
        self._add_thread()

    def stop(self, timeout: float) -> None:
        """No further turn begins; waits at most `timeout` seconds for those that run."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def wake(self, instance_ids: Iterable[str]) -> None:
        """These have messages: run their turns. From any thread."""
        with self._changed:
            self._enqueue(instance_ids)
            self._changed.notify()

    def post_result(self, task: Task, event: str) -> None:
        """An activity has ended. From any thread."""
        with self._changed:
            self._results.append((task, event))
            self._changed.notify()

    def timers_changed(self) -> None:
        """The clock was moved, or timers were written by somebody else."""
        with self._changed:
            self._next_timer = self._store.next_timer()
            self._changed.notify()

    def relieve(self) -> None:
        """Called now and then: add a thread when all are stuck in the app's code while others wait."""
        with self._changed:
            stuck = [s for s in self._busy.values() if time.monotonic() - s > STUCK_SECONDS]
            if self._ready and len(stuck) >= len(self._threads) and len(self._threads) < self._limit:
                self._add_thread()

    def forget_replays(self) -> None:
        """The app's code has changed: what was kept of running orchestrators no longer counts."""

    def next_due(self) -> int | None:
        """When the next timer is due, in microseconds."""
        return self._next_timer

    def clock_moved(self) -> None:
        self.timers_changed()

    def is_idle(self) -> bool:
        """Is there no turn to run, none running, no activity unfinished?"""
        with self._changed:
            resting = not (self._ready or self._busy or self._results)
        return resting and (self.workers is None or self.workers.is_idle())

    # -- threads

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._loop, name=f"turns-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._wait_for_work()
                if self._stopping:
                    return
                results, self._results = self._results, []
                timers_due = self._timers_due()
                instance_id = None if results or timers_due else self._take()
            self._write_results(results)
            if timers_due:
                self._fire_timers()
            if instance_id is not None:
                self._run(instance_id)

    def _wait_for_work(self) -> None:
        while not (self._stopping or self._results or self._ready or self._timers_due()):
            self._changed.wait(self._seconds_to_timer())

    def _seconds_to_timer(self) -> float | None:
        if self._next_timer is None or self._clock.is_frozen:
            return None
        return min(LONGEST_WAIT_SECONDS, max(0.0, (self._next_timer - self._clock.micros()) / 1e6))

    def _timers_due(self) -> bool:
        return self._next_timer is not None and self._next_timer <= self._clock.micros()

    def _take(self) -> str | None:
        while self._ready:
            instance_id = self._ready.popleft()
            self._queued.discard(instance_id)
            if instance_id not in self._busy:
                self._busy[instance_id] = time.monotonic()
                return instance_id
            self._again.add(instance_id)
        return None

    def _enqueue(self, instance_ids: Iterable[str]) -> None:
        for instance_id in instance_ids:
            if instance_id not in self._queued:
                self._queued.add(instance_id)
                self._ready.append(instance_id)

    def _write_results(self, results: list[tuple[Task, str]]) -> None:
        if results:
            self._store.finish_tasks(results)
            self.wake(task.instance for task, _ in results)

    def _fire_timers(self) -> None:
        woken = self._store.fire_timers(self._clock.micros())
        with self._changed:
            self._next_timer = self._store.next_timer()
            self._enqueue(woken)
            self._changed.notify()

    def _run(self, instance_id: str) -> None:
        try:
            self._run_turn(instance_id)
        except Exception:  # noqa: BLE001 - the host stays up; the messages stay and come with the next wake
            self._log.problem(f"the turn of {instance_id} broke inside the host:\n{traceback.format_exc()}")
        with self._changed:
            del self._busy[instance_id]
            if instance_id in self._again:
                self._again.discard(instance_id)
                self._enqueue([instance_id])
                self._changed.notify()

    def _run_turn(self, instance_id: str) -> None:
        instance, parts, messages = self._store.load_turn(instance_id)
        if instance is not None:
            woken = self._orchestrations.run_turn(instance, parts, messages)
            if self.workers is not None:
                for task in woken.tasks:
                    self.workers.submit(task)
            self._after(woken.instances, woken.timer)
        elif instance_id.startswith("@"):
            self._after(self._entities.run_batch(instance_id), None)
        elif messages:
            self._store.drop_messages(instance_id, messages[-1].id)

    def _after(self, woken: list[str], timer: int | None) -> None:
        with self._changed:
            self._enqueue(woken)
            if timer is not None and (self._next_timer is None or timer < self._next_timer):
                self._next_timer = timer
            if woken or timer is not None:
                self._changed.notify()
