"""Orchestrations on disk: what a turn reads and writes, activities in flight, timers. One transaction a step."""

from __future__ import annotations

import itertools

from local.host import history, jsontext
from local.host.clock import stamp
from local.host.commands import Status
from local.host.database import Database, Run
from local.host.records import Batch, Entity, EntityRecord, Head, Instance, Message, Start, Task, TurnRecord

INSERT_MESSAGE = "INSERT INTO inbox (id, instance, execution, event) VALUES (?, ?, ?, ?)"

PEEK = """
SELECT
  (SELECT json_group_array(json_array(id, execution, status, updated)) FROM instances
    WHERE id IN (SELECT value FROM json_each(?1))),
  (SELECT json_group_array(json_array(id, instance, execution, event)) FROM
    (SELECT * FROM inbox WHERE instance IN (SELECT value FROM json_each(?2)) ORDER BY id))
"""
"""One row for all: every row that SQLite steps through lets another thread take the interpreter."""
PEEK_FIRST = """
SELECT json_group_array(json_array(id, instance, execution, event)) FROM
  (SELECT inbox.* FROM json_each(?1) AS wanted CROSS JOIN inbox
    WHERE inbox.instance = wanted.value AND inbox.id <= COALESCE(
      (SELECT id FROM inbox AS line WHERE line.instance = wanted.value ORDER BY line.id LIMIT 1 OFFSET ?2),
      9223372036854775807)
    ORDER BY inbox.id)
"""
"""No more than one batch takes, and one that shows that there is more: else a backlog would cost its square."""


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
        last = database.rows("SELECT COALESCE(MAX(id), 0) FROM inbox")[0][0]
        # SQLite gives the id of a removed message to the next one, which a turn with the old one would delete.
        self._message_ids = itertools.count(last + 1)

    # -- instances

    def get(self, instance_id: str) -> Instance | None:
        rows = self.database.rows(f"SELECT {Instance.COLUMNS} FROM instances WHERE id = ?", (instance_id,))  # noqa: S608
        return Instance.from_row(rows[0]) if rows else None

    def start(self, start: Start, now: int) -> None:
        """Create an instance; one of that id that has ended is replaced. Raises InstanceExistsError."""
        with self.database.transaction() as run:
            self.start_within(run, start, now)

    def start_within(self, run: Run, start: Start, now: int) -> None:
        if not self._insert(run, start, now):
            (number,) = run("SELECT status FROM instances WHERE id = ?", (start.instance,)).fetchone()
            if not Status(number).is_final:
                raise InstanceExistsError(Status(number))
            erase(run, start.instance)
            self._insert(run, start, now)
        self.send_within(run, start.instance, start.event, start.execution)

    def _insert(self, run: Run, start: Start, now: int) -> bool:
        """False if there is an instance of that id."""
        inserted = run(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING",
            (
                *(start.instance, start.execution, start.name, start.version, Status.PENDING, start.input),
                *(now, now, start.parent),
            ),
        )
        return inserted.rowcount == 1

    def send(self, instance_id: str, event: str, execution: str | None = None) -> None:
        with self.database.transaction() as run:
            self.send_within(run, instance_id, event, execution)

    def send_within(self, run: Run, instance_id: str, event: str, execution: str | None = None) -> None:
        run(INSERT_MESSAGE, (next(self._message_ids), instance_id, execution, event))

    def _send_all(self, messages: list[tuple[str, str | None, str]]) -> None:
        """For use inside a transaction."""
        self.database.many(INSERT_MESSAGE, [(next(self._message_ids), *message) for message in messages])

    # -- turns

    def waiting_for(self, wanted: list[str], entity_limit: int) -> tuple[dict[str, Head], dict[str, list[Message]]]:
        """The heads of those that are instances, and the messages that wait for each, the oldest first; of an id that
        begins with `@` no more than `entity_limit` + 1.
        """
        entities = [i for i in wanted if i.startswith("@")]
        others = [i for i in wanted if not i.startswith("@")] if entities else wanted
        rows = self.database.rows(PEEK, (jsontext.dumps(wanted), jsontext.dumps(others)))
        heads = {row[0]: Head(*row) for row in jsontext.loads(rows[0][0])}
        found = jsontext.loads(rows[0][1])
        if entities:
            found += jsontext.loads(self.database.rows(PEEK_FIRST, (jsontext.dumps(entities), entity_limit))[0][0])
        messages: dict[str, list[Message]] = {}
        for number, instance_id, execution, event in found:
            messages.setdefault(instance_id, []).append(Message(number, execution, event))
        return heads, messages

    def load(self, instance_id: str) -> tuple[Instance, list[str]]:
        """An instance with its history parts. Raises KeyError."""
        with self.database.lock:
            instance = self.get(instance_id)
            if instance is None:
                raise KeyError(instance_id)
            parts = self.database.rows("SELECT events FROM history WHERE instance = ? ORDER BY part", (instance_id,))
            return instance, [part[0] for part in parts]

    def commit(self, batch: Batch) -> list[str]:
        """Write what several turns decided, all or nothing; turns of executions that were removed while they ran are
        left out, and gone from the batch. Returns instances that have a message at once: the parents of children that
        could not be started.
        """
        with self.database.transaction() as run:
            if batch.used_messages:
                run("DELETE FROM inbox WHERE id IN (SELECT value FROM json_each(?))", (str(batch.used_messages),))
            if batch.finished_tasks:
                run("DELETE FROM tasks WHERE id IN (SELECT value FROM json_each(?))", (str(batch.finished_tasks),))
            batch.turns = _still_there(run, batch.turns)
            self._write_turns(run, batch.turns)
            refused = self._write_outbox(run, batch)
            for entity in batch.entities:
                self._write_entity(run, entity)
        return refused

    def _write_turns(self, run: Run, turns: list[TurnRecord]) -> None:
        many = self.database.many
        for turn in turns:
            if turn.renewed:
                run("DELETE FROM history WHERE instance = ?", (turn.instance.id,))
        over = [t.instance.id for t in turns if t.renewed or t.instance.status.is_final]
        if over:
            run("DELETE FROM timers WHERE instance IN (SELECT value FROM json_each(?))", (jsontext.dumps(over),))
        many("REPLACE INTO history VALUES (?, ?, ?)", [(t.instance.id, t.part, t.events) for t in turns])
        many(
            "UPDATE instances SET execution = ?, status = ?, input = ?, output = ?, custom_status = ?, updated = ?, "
            "continued = ? WHERE id = ?",
            [
                (i.execution, i.status, i.input, i.output, i.custom_status, i.updated, i.continued, i.id)
                for i in (turn.instance for turn in turns)
            ],
        )

    def _write_outbox(self, run: Run, batch: Batch) -> list[str]:
        many, refused = self.database.many, []
        messages = list(batch.messages)
        for turn in batch.turns:
            instance = turn.instance
            many(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
                [(t.id, t.instance, t.execution, t.number, t.name, t.input) for t in turn.tasks],
            )
            many(
                "INSERT INTO timers (due, instance, execution, number) VALUES (?, ?, ?, ?)",
                [(due, instance.id, instance.execution, number) for number, due in turn.timers],
            )
            for number, start in turn.starts:
                try:
                    self.start_within(run, start, turn.now)
                except InstanceExistsError as error:  # noqa: PERF203 - one child must not spoil the others
                    failed = history.sub_orchestration_failed(turn.now, number, str(error), str(error))
                    messages.append((instance.id, instance.execution, history.text(failed)))
                    refused.append(instance.id)
            messages += turn.messages
        self._send_all(messages)
        return refused

    def _write_entity(self, run: Run, entity: EntityRecord) -> None:
        if entity.state is None:
            run("DELETE FROM entities WHERE id = ?", (entity.id,))
        else:
            run(
                "INSERT INTO entities VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated = excluded.updated",
                (entity.id, entity.state, entity.now, entity.now),
            )
        self._send_all(entity.replies)

    def new_task_id(self) -> int:
        return next(self._task_ids)

    def tasks(self) -> list[Task]:
        """Every activity that was scheduled and has not been answered."""
        return [Task(*row) for row in self.database.rows("SELECT * FROM tasks ORDER BY id")]

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
                self.send_within(run, instance_id, history.text(event), execution)
                run("DELETE FROM timers WHERE id = ?", (row_id,))
        return [row[2] for row in due]

    def next_timer(self) -> int | None:
        due: int | None = self.database.rows("SELECT MIN(due) FROM timers")[0][0]
        return due

    def entity(self, entity_id: str) -> Entity | None:
        rows = self.database.rows("SELECT id, state, created, updated FROM entities WHERE id = ?", (entity_id,))
        return Entity(*rows[0]) if rows else None

    # -- at start

    def waiting(self) -> list[str]:
        """Instances and entities that have something to do: messages, or a continued execution to begin."""
        rows = self.database.rows(
            "SELECT DISTINCT instance FROM inbox UNION "
            "SELECT id FROM instances WHERE continued = 1 AND status NOT IN (1, 3, 4, 5)"
        )
        return [row[0] for row in rows]


def _still_there(run: Run, turns: list[TurnRecord]) -> list[TurnRecord]:
    """Without the turns of executions that were removed while they ran."""
    if not turns:
        return turns
    wanted = jsontext.dumps([turn.instance.id for turn in turns])
    rows = run("SELECT id, execution FROM instances WHERE id IN (SELECT value FROM json_each(?))", (wanted,))
    found = set(rows.fetchall())
    return [turn for turn in turns if (turn.instance.id, turn.of_execution) in found]


def erase(run: Run, instance_id: str) -> None:
    """Remove an instance and all that hangs on it."""
    for table in ("history", "inbox", "tasks", "timers"):
        run(f"DELETE FROM {table} WHERE instance = ?", (instance_id,))  # noqa: S608 - names of our own
    run("DELETE FROM instances WHERE id = ?", (instance_id,))
