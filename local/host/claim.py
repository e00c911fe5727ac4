"""Instances that one thread runs the turns of, and what these turns have decided so far."""

from __future__ import annotations

import threading
import time
from collections import deque

from local.host.records import Batch, Head, Message, Task
from local.host.turn_outcome import Woken

Result = tuple[Task, str]
"""An activity that has ended, and the event that tells its instance."""
STUCK_SECONDS = 0.5


class Claim:
    """What is decided is written together, once all turns have run. While one turn keeps its thread for long, another
    thread takes over all the rest (`split`): what is decided already, and the turns that have not begun.

    `results` are not on disk: each is delivered in its instance's turn, or goes to the inbox of one not `owned`.
    """

    def __init__(self, owned: list[str], results: list[Result], *, is_alone: bool = False) -> None:
        self.owned = owned
        """Whose turns nobody else may run until the claim is done with."""
        self.results = results
        self.is_alone = is_alone
        """The one instance of a claim that broke is tried by itself."""
        self.batch, self.woken = Batch(), Woken()
        self.heads: dict[str, Head] = {}
        self.messages: dict[str, list[Message]] = {}
        self.elsewhere: list[str] = []
        """Instances that got a result into their inbox, for their turn may be running elsewhere."""
        self.overdue: list[str] = []
        """Instances whose turn took longer than it may: nothing of it counts."""
        self.is_open = False
        self._waiting = deque(owned)
        self._lock = threading.Lock()
        self._current: str | None = None
        self._since = 0.0
        self._first: float | None = None

    def open(self, heads: dict[str, Head], messages: dict[str, list[Message]]) -> None:
        """Take what was read for the instances; results go to their instances, or to inboxes."""
        self.is_open = True
        self.heads, self.messages = heads, messages
        owned = set(self.owned)
        for task, event in self.results:
            if task.instance in heads:
                messages.setdefault(task.instance, []).append(Message(0, task.execution, event))
            elif task.instance not in owned:
                self.batch.messages.append((task.instance, task.execution, event))
                self.elsewhere.append(task.instance)

    # -- turns, by the thread that runs the claim

    def next(self, most_seconds: float) -> str | None:
        """Whose turn begins now; None when all have had theirs, or after `most_seconds`."""
        now = time.monotonic()
        with self._lock:
            if not self._waiting or (self._first is not None and now - self._first > most_seconds):
                return None
            self._first = now if self._first is None else self._first
            self._current, self._since = self._waiting.popleft(), now
            return self._current

    def add(self, decided: Batch, woken: Woken) -> None:
        """The current turn has ended so."""
        with self._lock:
            self._current = None
            self.batch.add(decided)
            self.woken.add(woken)

    def drop(self, instance_id: str) -> None:
        """The current turn was over its time: its messages stay where they are, its results are delivered again."""
        with self._lock:
            self._current = None
            self.overdue.append(instance_id)

    def close(self) -> None:
        """No turn runs any more: from here on the claim is not split."""
        with self._lock:
            self._current = None

    def untouched(self) -> list[str]:
        """Instances that the time did not suffice for; their results are put into the batch, for their inbox."""
        for instance_id in self._waiting:
            self.batch.messages += [
                (instance_id, message.execution, message.event)
                for message in self.messages.get(instance_id, [])
                if not message.id
            ]
        return list(self._waiting)

    def take_overdue_results(self) -> list[Result]:
        """The results of turns that were over their time, which are not to be written as delivered."""
        late = [result for result in self.results if result[0].instance in self.overdue]
        self.results = [result for result in self.results if result[0].instance not in self.overdue]
        return late

    # -- from another thread

    def stuck_seconds(self) -> float:
        """How long the current turn has kept its thread already; 0 while that is not worth a word."""
        with self._lock:
            lasted = time.monotonic() - self._since
            return lasted if self._current is not None and lasted > STUCK_SECONDS else 0.0

    def split(self) -> Claim | None:
        """Leave only the current turn here; the rest is a claim of its own. None if there is no rest."""
        with self._lock:
            current = self._current
            others = [result for result in self.results if result[0].instance != current]
            if current is None or (self.owned == [current] and not others):
                return None
            rest = Claim([instance_id for instance_id in self.owned if instance_id != current], others)
            rest.is_open = True
            rest.heads, rest.messages = self.heads, self.messages
            rest.batch, rest.woken = self.batch, self.woken
            rest.elsewhere, rest.overdue = self.elsewhere, self.overdue
            rest._waiting = self._waiting
            self.owned, self._waiting = [current], deque()
            self.results = [result for result in self.results if result[0].instance == current]
            self.batch, self.woken, self.elsewhere, self.overdue = Batch(), Woken(), [], []
            return rest
