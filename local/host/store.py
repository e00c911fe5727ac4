"""Orchestrations on disk: what a turn reads and writes, activities in flight, timers. One transaction a step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from local.host import history
from local.host.clock import stamp
from local.host.commands import Status
from local.host.database import Database, Run
from local.host.records import Entity, Instance, Message, Start, Task, TurnRecord

INSERT_MESSAGE = "INSERT INTO inbox (instance, execution, event) VALUES (?, ?, ?)"


class InstanceExistsError(Exception):
    """An instance of that id has not ended."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"An Orchestration instance with the status {status.label} already exists.")
        self.status = status


class Store:
    def __init__(self, database: Database) -> None:
        self.database = database
        highest = database.rows("SELECT COALESCE(MAX(id), 0) FROM tasks")[0][0]
        self._task_ids = itertools.count(highest + 1)

    # -- instances

    def get(self, instance_id: str) -> Instance | None:
        rows = self.database.rows(f"SELECT {Instance.COLUMNS} FROM instances WHERE id = ?", (instance_id,))  # noqa: S608
        return Instance.from_row(rows[0]) if rows else None

    def start(self, start: Start, now: int) -> None:
        """Create an instance; one of that id that has ended is replaced. Raises InstanceExistsError."""
        with self.database.transaction() as run:
            self._start(run, start, now)

    def _start(self, run: Run, start: Start, now: int) -> None:
        found = run("SELECT status FROM instances WHERE id = ?", (start.instance,)).fetchone()
        if found is not None:
            status = Status(found[0])
            if not status.is_final:
                raise InstanceExistsError(status)
            erase(run, start.instance)
        run(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, 0)",
            (
                *(start.instance, start.execution, start.name, start.version, Status.PENDING, start.input),
                *(now, now, start.parent),
            ),
        )
        run(INSERT_MESSAGE, (start.instance, start.execution, start.event))

    def send(self, instance_id: str, event: str, execution: str | None = None) -> None:
        with self.database.transaction() as run:
            run(INSERT_MESSAGE, (instance_id, execution, event))

    # -- turns

    def load_turn(self, instance_id: str) -> tuple[Instance | None, list[str], list[Message]]:
        """The instance, its history parts and the messages that wait for it, oldest first."""
        with self.database.lock:
            rows = self.database.rows(
                "SELECT id, execution, event FROM inbox WHERE instance = ? ORDER BY id", (instance_id,)
            )
            messages = [Message(*row) for row in rows]
            instance = self.get(instance_id)
            if instance is None:
                return None, [], messages
            parts = self.database.rows("SELECT events FROM history WHERE instance = ? ORDER BY part", (instance_id,))
            return instance, [part[0] for part in parts], messages

    def drop_messages(self, instance_id: str, last: int) -> None:
        with self.database.transaction() as run:
            run("DELETE FROM inbox WHERE instance = ? AND id <= ?", (instance_id, last))

    def commit_turn(self, turn: TurnRecord) -> bool:
        """Write a turn. True if the instance has a message at once: a child that could not be started."""
        instance = turn.instance
        with self.database.transaction() as run:
            if turn.last_message:
                run("DELETE FROM inbox WHERE instance = ? AND id <= ?", (instance.id, turn.last_message))
            if turn.renewed:
                run("DELETE FROM history WHERE instance = ?", (instance.id,))
            run("REPLACE INTO history VALUES (?, ?, ?)", (instance.id, turn.part, turn.events))
            run(
                "UPDATE instances SET execution = ?, status = ?, input = ?, output = ?, custom_status = ?, "
                "updated = ?, continued = ? WHERE id = ?",
                (
                    *(instance.execution, instance.status, instance.input, instance.output, instance.custom_status),
                    *(turn.now, instance.continued, instance.id),
                ),
            )
            if instance.status.is_final or turn.renewed:
                run("DELETE FROM timers WHERE instance = ?", (instance.id,))
            return self._write_outbox(run, turn)

    def _write_outbox(self, run: Run, turn: TurnRecord) -> bool:
        instance = turn.instance
        refused = False
        for task in turn.tasks:
            run(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
                (task.id, task.instance, task.execution, task.number, task.name, task.input),
            )
        for number, due in turn.timers:
            run(
                "INSERT INTO timers (due, instance, execution, number) VALUES (?, ?, ?, ?)",
                (due, instance.id, instance.execution, number),
            )
        for number, start in turn.starts:
            try:
                self._start(run, start, turn.now)
            except InstanceExistsError as error:  # noqa: PERF203 - one child must not spoil the others
                failed = history.sub_orchestration_failed(turn.now, number, str(error), str(error))
                run(INSERT_MESSAGE, (instance.id, instance.execution, history.text(failed)))
                refused = True
        for message in turn.messages:
            run(INSERT_MESSAGE, message)
        return refused

    def new_task_id(self) -> int:
        return next(self._task_ids)

    # -- activities

    def tasks(self) -> list[Task]:
        """Every activity that was scheduled and has not been answered."""
        return [Task(*row) for row in self.database.rows("SELECT * FROM tasks ORDER BY id")]

    def finish_tasks(self, finished: Iterable[tuple[Task, str]]) -> None:
        """Activities ended, each with the event that tells its instance."""
        pairs = list(finished)
        with self.database.transaction():
            self.database.many("DELETE FROM tasks WHERE id = ?", [(task.id,) for task, _ in pairs])
            self.database.many(INSERT_MESSAGE, [(task.instance, task.execution, event) for task, event in pairs])

    # -- timers

    def fire_timers(self, now: int, limit: int = 1000) -> list[str]:
        """Turn due timers, the earliest first, into messages. Returns the instances to wake."""
        with self.database.transaction() as run:
            due = run(
                "SELECT id, due, instance, execution, number FROM timers WHERE due <= ? ORDER BY due, id LIMIT ?",
                (now, limit),
            ).fetchall()
            for row_id, fire_at, instance_id, execution, number in due:
                event = history.timer_fired(now, number, stamp(fire_at))
                run(INSERT_MESSAGE, (instance_id, execution, history.text(event)))
                run("DELETE FROM timers WHERE id = ?", (row_id,))
        return [row[2] for row in due]

    def next_timer(self) -> int | None:
        due: int | None = self.database.rows("SELECT MIN(due) FROM timers")[0][0]
        return due

    # -- entities

    def load_entity(self, entity_id: str, limit: int) -> tuple[Entity | None, list[Message]]:
        with self.database.transaction() as run:
            row = run("SELECT id, state, created, updated FROM entities WHERE id = ?", (entity_id,)).fetchone()
            messages = run(
                "SELECT id, execution, event FROM inbox WHERE instance = ? ORDER BY id LIMIT ?", (entity_id, limit)
            )
            return Entity(*row) if row else None, [Message(*message) for message in messages]

    def commit_entity(
        self, entity_id: str, state: str | None, last: int, replies: list[tuple[str, str | None, str]], now: int
    ) -> None:
        """Write a batch's outcome: the state (None deletes the entity), its messages gone, its replies on their way."""
        with self.database.transaction() as run:
            run("DELETE FROM inbox WHERE instance = ? AND id <= ?", (entity_id, last))
            if state is None:
                run("DELETE FROM entities WHERE id = ?", (entity_id,))
            else:
                run(
                    "INSERT INTO entities VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated = excluded.updated",
                    (entity_id, state, now, now),
                )
            for reply in replies:
                run(INSERT_MESSAGE, reply)

    # -- at start

    def waiting(self) -> list[str]:
        """Instances and entities that have something to do: messages, or a continued execution to begin."""
        rows = self.database.rows(
            "SELECT DISTINCT instance FROM inbox UNION "
            "SELECT id FROM instances WHERE continued = 1 AND status NOT IN (1, 3, 4, 5)"
        )
        return [row[0] for row in rows]


def erase(run: Run, instance_id: str) -> None:
    """Remove an instance and all that hangs on it."""
    for table in ("history", "inbox", "tasks", "timers"):
        run(f"DELETE FROM {table} WHERE instance = ?", (instance_id,))  # noqa: S608 - names of our own
    run("DELETE FROM instances WHERE id = ?", (instance_id,))
