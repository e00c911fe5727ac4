"""The SQLite file of a state folder: schema, format version, transactions.

One connection, used by every thread of the host under one lock; a transaction takes some tens of microseconds.
WAL with synchronous=NORMAL: after kill -9 the file holds everything that was committed.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

FILE = "host.db"
"""Its name in the state folder."""
FORMAT = 1
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE instances (
    id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, version TEXT, status INTEGER NOT NULL,
    input TEXT, output TEXT, custom_status TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    parent TEXT, continued INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX instances_open ON instances (status, id) WHERE status NOT IN (1, 3, 4, 5);
CREATE INDEX instances_created ON instances (created);
CREATE TABLE history (
    instance TEXT NOT NULL, part INTEGER NOT NULL, events TEXT NOT NULL, PRIMARY KEY (instance, part)
) WITHOUT ROWID;
CREATE TABLE inbox (id INTEGER PRIMARY KEY, instance TEXT NOT NULL, execution TEXT, event TEXT NOT NULL);
CREATE INDEX inbox_instance ON inbox (instance);
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, instance TEXT NOT NULL, execution TEXT NOT NULL, number INTEGER NOT NULL,
    name TEXT NOT NULL, input TEXT
);
CREATE INDEX tasks_instance ON tasks (instance);
CREATE TABLE timers (
    id INTEGER PRIMARY KEY, due INTEGER NOT NULL, instance TEXT NOT NULL, execution TEXT NOT NULL,
    number INTEGER NOT NULL
);
CREATE INDEX timers_due ON timers (due);
CREATE INDEX timers_instance ON timers (instance);
CREATE TABLE entities (id TEXT PRIMARY KEY, state TEXT, updated INTEGER NOT NULL, created INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE schedules (name TEXT PRIMARY KEY, last TEXT, next TEXT, updated TEXT) WITHOUT ROWID;
"""


MIGRATIONS: dict[int, tuple[str, ...]] = {}
"""What turns a file of a format into the next one, statement by statement."""

Run = Callable[..., sqlite3.Cursor]
"""What a transaction yields: run(statement, values)."""


class StateError(Exception):
    """The state folder cannot be used; the message says what to do."""


class Database:
    def __init__(self, path: Path) -> None:
        """Raises StateError."""
        self.lock = threading.RLock()
        try:
            self._connection = _opened(path)
            self._prepare(path)
        except sqlite3.Error as error:
            raise StateError(trouble(path, error)) from error

    def _prepare(self, path: Path) -> None:
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise StateError(
                f"{path} was written by a newer host (format {found}; this one knows {FORMAT}). Update this host, or "
                f"give another folder with --state."
            )
        if found == FORMAT:
            return
        steps = SCHEMA.split(";\n") if found == 0 else [s for n in range(found, FORMAT) for s in MIGRATIONS[n]]
        with self.transaction() as run:
            for statement in steps:
                run(statement)
            run(f"PRAGMA user_version={FORMAT}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Run]:
        """All or nothing, in the order of the calls; nothing else runs in between."""
        with self.lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """For use inside `transaction`."""
        self._connection.executemany(statement, rows)

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self.lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        with self.lock:
            self._connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY", "cache_size=-32000"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def trouble(path: Path, error: sqlite3.Error) -> str:
    """What keeps a state file from being used, and how to go on."""
    if "full" in str(error):
        return f"{path} cannot be written: the disk is full. Free some space; nothing that was accepted is lost."
    if isinstance(error, sqlite3.OperationalError) and not re.search("already exists|no such", str(error)):
        return (
            f"{path} cannot be used ({error}). See to it that this process may read and write it and its folder, and "
            f"that no other program holds it; or give another folder with --state."
        )
    return (
        f"{path} is damaged, or is no state file of this host ({error}). Put back a copy of it, or move {path.name}, "
        f"{path.name}-wal and {path.name}-shm away to begin with nothing; or give another folder with --state."
    )
