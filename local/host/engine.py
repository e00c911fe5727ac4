"""The scheduler: which instance's turn is next, in which thread, and when timers are due.

One thread runs turns, one after the other; a turn is CPU-bound and takes about a millisecond. When an orchestrator or
entity of the app blocks its thread, another thread is added, up to the app's maxConcurrentOrchestratorFunctions.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable

from local.host.activities import ActivityWorkers
from local.host.entities import Entities
from local.host.records import Batch, Head, Message, Task
from local.host.services import Services
from local.host.turn_outcome import Woken
from local.host.turns import Orchestrations

STUCK_SECONDS = 0.5
SOON_SECONDS = 0.003
BATCH = 16
"""Turns that are written together."""
BATCH_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.2
"""Seconds until a thread goes on after its turns could not be written."""


class Engine:
    def __init__(self, services: Services, orchestrations: Orchestrations, entities: Entities) -> None:
        self.workers: ActivityWorkers | None = None
        self._store = services.store
        self._orchestrations = orchestrations
        self._entities = entities
        self._clock = services.clock
        self._log = services.log
        self._time_limit = services.invoker.limit
        self._limit = max(1, services.settings.max_orchestrators)
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._queued: set[str] = set()
        self._busy: dict[str, float] = {}
        self._again: set[str] = set()
        self._soon: dict[str, None] = {}
        self._soon_at = 0.0
        self._results: list[tuple[Task, str]] = []
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
        """Called now and then: add a thread when all are stuck in the app's code while others wait."""
        self._time_limit.enforce()
        if self.workers is not None:
            self.workers.grow()
        with self._changed:
            stuck = [s for s in self._busy.values() if time.monotonic() - s > STUCK_SECONDS]
            if self._ready and len(stuck) >= len(self._threads) and len(self._threads) < self._limit:
                self._add_thread()

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
        """Do what is there to be done, up to one batch of turns. False if there was nothing.

        Raises what kept the state file from being written; all that was taken is then there to be taken again.
        """
        with self._changed:
            results, self._results = self._results, []
            timers_due = self._timers_due()
            self._enqueue(task.instance for task, _ in results)
            taken = self._take()
            found = bool(timers_due or taken or results)
        try:
            if timers_due:
                self._fire_timers()
        finally:
            if taken or results:
                self._run(taken, results)
        return found

    def _wait_for_work(self) -> None:
        while True:
            if self._soon and time.monotonic() >= self._soon_at:
                soon, self._soon = self._soon, {}
                self._enqueue(soon)
            if self._stopping or self._results or self._ready or self._timers_due():
                return
            self._changed.wait(self._seconds_to_wait())

    def _seconds_to_wait(self) -> float | None:
        if self._soon:
            return max(0.0, self._soon_at - time.monotonic())
        if self._next_timer is None or self._clock.is_frozen:
            return None
        return min(LONGEST_WAIT_SECONDS, max(0.0, (self._next_timer - self._clock.micros()) / 1e6))

    def _timers_due(self) -> bool:
        return self._next_timer is not None and self._next_timer <= self._clock.micros()

    def _take(self) -> list[str]:
        """Some that are ready and not being run."""
        taken: list[str] = []
        while self._ready and len(taken) < BATCH:
            instance_id = self._ready.popleft()
            self._queued.discard(instance_id)
            if instance_id in self._busy:
                self._again.add(instance_id)
            else:
                self._busy[instance_id] = time.monotonic()
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

    def _run(self, taken: list[str], results: list[tuple[Task, str]]) -> None:
        try:
            self._run_or_part(taken, results)
        except BaseException:
            self._orchestrations.forget()
            with self._changed:
                self._results[:0] = results
                self._again.update(taken)
            raise
        finally:
            self._release(taken)

    def _run_or_part(self, taken: list[str], results: list[tuple[Task, str]]) -> None:
        try:
            self._run_batch(taken, results)
        except sqlite3.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - one instance's trouble must not be that of the others
            self._log.problem(f"turns broke inside the host:\n{traceback.format_exc()}")
            self._run_one_by_one(taken, results)

    def _release(self, taken: list[str]) -> None:
        """Others may run these; what came for them in the meantime is run next."""
        with self._changed:
            for instance_id in taken:
                self._busy.pop(instance_id, None)
            again = [instance_id for instance_id in taken if instance_id in self._again]
            self._again.difference_update(again)
            self._enqueue(again)
            if again:
                self._changed.notify()

    def _run_one_by_one(self, taken: list[str], results: list[tuple[Task, str]]) -> None:
        """After a batch broke: nothing of it was written. Its results go to disk, and each turn is tried by itself."""
        self._orchestrations.forget()
        finished = [task.id for task, _ in results]
        events: list[tuple[str, str | None, str]] = [(task.instance, task.execution, event) for task, event in results]
        if results:
            self._store.commit(Batch(finished_tasks=finished, messages=events))
            results.clear()
            self.wake(instance_id for instance_id, _, _ in events if instance_id not in taken)
        for instance_id in taken:
            try:
                self._run_batch([instance_id], [])
            except sqlite3.OperationalError:  # noqa: PERF203 - the state file's trouble, not the instance's
                raise
            except Exception:  # noqa: BLE001 - its messages stay, and come with the next wake
                self._orchestrations.forget()
                self._log.problem(f"the turn of {instance_id} broke inside the host:\n{traceback.format_exc()}")

    def _run_batch(self, taken: list[str], results: list[tuple[Task, str]]) -> None:
        """Turns one after the other, their outcomes written together.

        Results of activities go straight into the turn of their instance; those of an instance whose turn runs
        elsewhere go to its inbox.
        """
        batch, woken = Batch(finished_tasks=[task.id for task, _ in results]), Woken()
        heads, messages = self._store.waiting_for(taken) if taken else ({}, {})
        here = set(taken)
        elsewhere: list[str] = []
        for task, event in results:
            if task.instance in heads:
                messages.setdefault(task.instance, []).append(Message(0, task.execution, event))
            elif task.instance not in here:
                batch.messages.append((task.instance, task.execution, event))
                elsewhere.append(task.instance)
        begun = time.monotonic()
        for number, instance_id in enumerate(taken):
            if number and time.monotonic() - begun > BATCH_SECONDS:
                self._give_back(taken[number:], messages, batch)
                break
            used = self._turn(instance_id, heads.get(instance_id), messages.get(instance_id, []), batch, woken)
            batch.used_messages += [message.id for message in used if message.id]
            # By identity: comparing each with each would make a long backlog cost its square.
            gone = {id(message) for message in used}
            batch.messages += [
                (instance_id, message.execution, message.event)
                for message in messages.get(instance_id, [])
                if not message.id and id(message) not in gone
            ]
        if not batch.is_empty:
            woken.instances += self._store.commit(batch)
            # From here on they are on disk, and must not be delivered again should the rest break.
            results.clear()
        # The other thread may have looked into the inbox for the last time before this was in it.
        woken.instances += elsewhere
        self._after(woken)

    def _give_back(self, untouched: list[str], messages: dict[str, list[Message]], batch: Batch) -> None:
        """A batch has taken long: what it has is written, and the others come next. Their results go to their inbox."""
        for instance_id in untouched:
            batch.messages += [
                (instance_id, message.execution, message.event)
                for message in messages.get(instance_id, [])
                if not message.id
            ]
        with self._changed:
            self._again.update(untouched)

    def _turn(
        self, instance_id: str, head: Head | None, messages: list[Message], batch: Batch, woken: Woken
    ) -> list[Message]:
        """Run one turn into the batch; returns the messages that it uses up."""
        if head is not None:
            record, used, following = self._orchestrations.turn(head, messages)
            if record is not None:
                batch.turns.append(record)
            woken.add(following)
            return used
        if instance_id.startswith("@") and messages:
            entity, used, replied = self._entities.batch(instance_id, messages)
            if entity is not None:
                batch.entities.append(entity)
            woken.instances += replied
            return used
        return messages

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
