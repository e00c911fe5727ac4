"""The scheduler: which instance's turn is next, in which thread, and when timers are due.

One thread runs turns, one after the other; a turn is CPU-bound and takes about a millisecond. When an orchestrator or
entity of the app blocks its thread, another thread is added, up to the app's maxConcurrentOrchestratorFunctions, and
takes over what waits behind it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable

from local.host.activities import ActivityWorkers
from local.host.claim import Claim, Result
from local.host.entities import Entities
from local.host.records import Batch, Task
from local.host.services import Services
from local.host.turn_outcome import Woken
from local.host.turn_runner import TurnRunner
from local.host.turns import Orchestrations

SOON_SECONDS = 0.003
BATCH = 16
"""Turns that are written together."""
LONGEST_WAIT_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.2
"""Seconds until a thread goes on after its turns could not be written."""


class Engine:
    def __init__(self, services: Services, orchestrations: Orchestrations, entities: Entities) -> None:
        self.workers: ActivityWorkers | None = None
        self._store = services.store
        self._orchestrations = orchestrations
        self._runner = TurnRunner(services, orchestrations, entities)
        self._clock = services.clock
        self._log = services.log
        self._time_limit = services.invoker.limit
        self._limit = max(1, services.settings.max_orchestrators)
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._queued: set[str] = set()
        self._busy: set[str] = set()
        self._alone: set[str] = set()
        self._running: set[Claim] = set()
        self._split: deque[Claim] = deque()
        """What other threads are to take over."""
        self._again: set[str] = set()
        self._soon: dict[str, None] = {}
        self._soon_at = 0.0
        self._results: list[Result] = []
        self._next_timer: int | None = None
        self._stopping = False
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what the last run left, then go on."""
        self.recover()
        self._add_thread()

    def recover(self) -> None:
        """Take up what the last run left."""
        if self.workers is not None:
            for task in self._store.tasks():
                self.workers.submit(task)
        self._next_timer = self._store.next_timer()
        self.wake(self._store.waiting())

    def stop(self, timeout: float) -> None:
        """No further turn begins; waits at most `timeout` seconds for those that run."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._ended.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def wake(self, instance_ids: Iterable[str]) -> None:
        """These have messages: run their turns. From any thread."""
        with self._changed:
            self._enqueue(instance_ids)
            self._changed.notify()

    def wake_soon(self, instance_id: str) -> None:
        """As `wake`, for what nobody waits for: signals that come close together make one batch."""
        with self._changed:
            if not self._soon:
                self._soon_at = time.monotonic() + SOON_SECONDS
                self._changed.notify()
            self._soon[instance_id] = None

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
        """Called now and then: fail what is over its time. Where a turn keeps its thread, another thread takes over
        what waits behind it; one is added when all are stuck in the app's code.
        """
        self._time_limit.enforce()
        if self.workers is not None:
            self.workers.grow()
        with self._changed:
            stuck = [claim for claim in self._running if claim.stuck_seconds()]
            self._split += [rest for claim in stuck if (rest := claim.split()) is not None]
            if not stuck or not self._has_work():
                return
            if len(stuck) < len(self._threads):
                self._changed.notify()
            elif len(self._threads) - self._count_lost(stuck) < self._limit:
                self._add_thread()

    def _count_lost(self, stuck: list[Claim]) -> int:
        """How many threads are in turns over their time: they are not counted, or these would end all others."""
        limit = self._time_limit.seconds
        return 0 if limit is None else sum(claim.stuck_seconds() > limit for claim in stuck)

    def forget_replays(self) -> None:
        """The app's code has changed: what was kept of running orchestrators no longer counts."""
        self._orchestrations.forget()

    def next_due(self) -> int | None:
        """When the next timer is due, in microseconds."""
        return self._next_timer

    def clock_moved(self) -> None:
        self.timers_changed()

    def is_idle(self) -> bool:
        """Is there no turn to run, none running, no activity unfinished?"""
        with self._changed:
            resting = not (self._ready or self._busy or self._results or self._soon)
        return resting and (self.workers is None or self.workers.is_idle())

    # -- threads

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._loop, name=f"turns-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self) -> None:
        pause = FIRST_PAUSE
        while not self._ended.is_set():
            pause = FIRST_PAUSE if self._stepped() else min(2 * pause, LONGEST_PAUSE)
            if pause > FIRST_PAUSE:
                self._ended.wait(pause)

    def _stepped(self) -> bool:
        """Wait for something to do, and do it. False if that broke: the thread must outlive it."""
        try:
            with self._changed:
                self._wait_for_work()
                if self._stopping:
                    return True
            self.step()
        except BaseException:  # noqa: BLE001 - without a thread nothing runs any more
            if not self._stopping:
                self._log.problem(f"turns broke inside the host, and are tried again:\n{traceback.format_exc()}")
            return False
        return True

    def step(self) -> bool:
        """Do what is there to be done, up to one claim of turns. False if there was nothing.

        Raises what kept the state file from being written; all that was taken is then there to be taken again.
        """
        with self._changed:
            timers_due = self._timers_due()
            claim = self._split.popleft() if self._split else self._new_claim()
            if claim is not None:
                self._running.add(claim)
        try:
            if timers_due:
                self._fire_timers()
        finally:
            if claim is not None:
                self._run(claim)
        return timers_due or claim is not None

    def _wait_for_work(self) -> None:
        while True:
            if self._soon and time.monotonic() >= self._soon_at:
                soon, self._soon = self._soon, {}
                self._enqueue(soon)
            if self._stopping or self._has_work():
                return
            self._changed.wait(self._seconds_to_wait())

    def _has_work(self) -> bool:
        soon = bool(self._soon) and time.monotonic() >= self._soon_at
        return bool(soon or self._split or self._results or self._ready or self._timers_due())

    def _seconds_to_wait(self) -> float | None:
        if self._soon:
            return max(0.0, self._soon_at - time.monotonic())
        if self._next_timer is None or self._clock.is_frozen:
            return None
        return min(LONGEST_WAIT_SECONDS, max(0.0, (self._next_timer - self._clock.micros()) / 1e6))

    def _timers_due(self) -> bool:
        return self._next_timer is not None and self._next_timer <= self._clock.micros()

    def _new_claim(self) -> Claim | None:
        """Some that are ready and not being run, and all results; or one that is to be tried by itself."""
        alone = self._take(1) if self._ready and self._ready[0] in self._alone else []
        if alone:
            self._alone.difference_update(alone)
            return Claim(alone, [], is_alone=True)
        results, self._results = self._results, []
        self._enqueue(task.instance for task, _ in results)
        taken = self._take(BATCH)
        return Claim(taken, results) if taken or results else None

    def _take(self, most: int) -> list[str]:
        taken: list[str] = []
        while self._ready and len(taken) < most and not (taken and self._ready[0] in self._alone):
            instance_id = self._ready.popleft()
            self._queued.discard(instance_id)
            if instance_id in self._busy:
                self._again.add(instance_id)
            else:
                self._busy.add(instance_id)
                taken.append(instance_id)
        return taken

    def _enqueue(self, instance_ids: Iterable[str]) -> None:
        for instance_id in instance_ids:
            if instance_id not in self._queued:
                self._queued.add(instance_id)
                self._ready.append(instance_id)

    def _fire_timers(self) -> None:
        woken = self._store.fire_timers(self._clock.micros())
        with self._changed:
            self._next_timer = self._store.next_timer()
            self._enqueue(woken)
            self._changed.notify()

    def _run(self, claim: Claim) -> None:
        try:
            self._run_or_part(claim)
        except BaseException:
            self._orchestrations.forget()
            with self._changed:
                self._results[:0] = claim.results
                self._again.update(claim.owned)
            raise
        finally:
            self._release(claim)

    def _run_or_part(self, claim: Claim) -> None:
        try:
            untouched = self._runner.run(claim)
            with self._changed:
                self._results += claim.take_overdue_results()
                self._again.update(untouched, claim.overdue)
            self._runner.write(claim)
            self._after(claim.woken)
        except sqlite3.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - one instance's trouble must not be that of the others
            self._orchestrations.forget()
            which = f"the turn of {claim.owned[0]}" if claim.is_alone else "turns"
            self._log.problem(f"{which} broke inside the host:\n{traceback.format_exc()}")
            self._part(claim)

    def _part(self, claim: Claim) -> None:
        """Nothing of a claim was written. Its results go to disk, and each turn is tried by itself, but only once: then
        its messages stay, and come with the next wake.
        """
        results, claim.results = claim.results, []
        events: list[tuple[str, str | None, str]] = [(task.instance, task.execution, event) for task, event in results]
        if results:
            try:
                self._store.commit(Batch(finished_tasks=[task.id for task, _ in results], messages=events))
            except BaseException:
                claim.results = results
                raise
        with self._changed:
            if not claim.is_alone:
                self._alone.update(claim.owned)
                self._again.update(claim.owned)
            self._enqueue(instance_id for instance_id, _, _ in events if instance_id not in claim.owned)
            self._changed.notify()

    def _release(self, claim: Claim) -> None:
        """Others may run these; what came for them in the meantime is run next."""
        with self._changed:
            self._running.discard(claim)
            self._busy.difference_update(claim.owned)
            again = [instance_id for instance_id in claim.owned if instance_id in self._again]
            self._again.difference_update(again)
            self._enqueue(again)
            if again:
                self._changed.notify()

    def _after(self, woken: Woken) -> None:
        if self.workers is not None:
            for task in woken.tasks:
                self.workers.submit(task)
        with self._changed:
            self._enqueue(woken.instances)
            timer = woken.timer
            if timer is not None and (self._next_timer is None or timer < self._next_timer):
                self._next_timer = timer
            if woken.instances or timer is not None:
                self._changed.notify()
