"""Tables and entities in one SQLite file.

One thread owns the writing connection. Reads of one entity share it, so they see what was just written; longer reads
go through connections of their own, beside the writer (WAL). synchronous=NORMAL loses nothing when the process is
killed: what was committed is in the kernel's hands.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from local.services.tables.clock import now_ticks
from local.services.tables.errors import ServiceError
from local.services.tables.filter_syntax import Expression
from local.services.tables.filters import Bounds, Row, bounds_of, matches

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tables (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS entities (
    table_id INTEGER NOT NULL, partition TEXT NOT NULL, row TEXT NOT NULL, ticks INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (table_id, partition, row)
);
"""
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000", "cache_size=-32000", "mmap_size=268435456")
_PURGE_ROWS = 500
_LOCK_SECONDS = 3.0
_WAL_LIMIT_BYTES = 64 * 1024 * 1024
# The service answers a query that takes longer, or finds more, with what it has and a continuation.
_SCAN_SECONDS = 5.0
_SCAN_CHECK_ROWS = 256
_PAGE_BYTES = 4 * 1024 * 1024


class StateInUseError(Exception):
    """Another process serves this state folder."""


def _locked(file: Path) -> TextIO:
    """Hold the file's lock until it is closed; a predecessor that is just ending is waited for."""
    lock = file.open("w")
    deadline = time.monotonic() + _LOCK_SECONDS
    while not _takes(lock):
        if time.monotonic() > deadline:
            lock.close()
            raise StateInUseError(str(file.parent))
        time.sleep(0.05)
    return lock


def _takes(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Store:
    """All tables of the account; every method but `page` and `checkpoint` belongs to one thread."""

    def __init__(self, folder: Path) -> None:
        """Open or make the store in `folder`; raises StateInUseError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "tables.sqlite"
        self._lock = _locked(folder / "tables.lock")
        self._db = self.connect()
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        self._db.executescript(_SCHEMA)
        named = self._db.execute("SELECT id, name FROM tables WHERE name IS NOT NULL")
        self._ids: dict[str, tuple[int, str]] = {name.lower(): (id_, name) for id_, name in named}
        self._deleted = [id_ for (id_,) in self._db.execute("SELECT id FROM tables WHERE name IS NULL")]
        self._ticks = 0

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def close(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._lock.close()

    # Tables

    def create_table(self, name: str) -> None:
        if name.lower() in self._ids:
            raise ServiceError("TableAlreadyExists")
        cursor = self._db.execute("INSERT INTO tables (name) VALUES (?)", (name,))
        self._ids[name.lower()] = (cursor.lastrowid or 0, name)

    def delete_table(self, name: str) -> None:
        """Take a table away at once; `purge` deletes its entities later, a few at a time."""
        if name.lower() not in self._ids:
            raise ServiceError("ResourceNotFound")
        id_, _ = self._ids.pop(name.lower())
        self._db.execute("UPDATE tables SET name = NULL WHERE id = ?", (id_,))
        self._deleted.append(id_)

    def table_names(self) -> list[str]:
        """Every table's name, in the service's order, which ignores case."""
        return [self._ids[key][1] for key in sorted(self._ids)]

    def table_id(self, name: str) -> int:
        try:
            return self._ids[name.lower()][0]
        except KeyError:
            raise ServiceError("TableNotFound") from None

    def purge(self) -> bool:
        """Delete some entities of a deleted table; True when there may be more."""
        if not self._deleted:
            return False
        cursor = self._db.execute(
            "DELETE FROM entities WHERE rowid IN (SELECT rowid FROM entities WHERE table_id = ? LIMIT ?)",
            (self._deleted[-1], _PURGE_ROWS),
        )
        if cursor.rowcount < _PURGE_ROWS:
            self._db.execute("DELETE FROM tables WHERE id = ?", (self._deleted.pop(),))
        return True

    # Entities

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is kept, or, when it raises, nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def get(self, table_id: int, partition: str, row: str) -> Row | None:
        found = self._db.execute(
            "SELECT ticks, body FROM entities WHERE table_id = ? AND partition = ? AND row = ?",
            (table_id, partition, row),
        ).fetchone()
        return Row(partition, row, *found) if found else None

    def insert(self, table_id: int, partition: str, row: str, body: bytes) -> Row:
        ticks = self._next_ticks(0)
        try:
            self._db.execute("INSERT INTO entities VALUES (?, ?, ?, ?, ?)", (table_id, partition, row, ticks, body))
        except sqlite3.IntegrityError:
            raise ServiceError("EntityAlreadyExists") from None
        return Row(partition, row, ticks, body)

    def replace(self, table_id: int, old: Row, body: bytes) -> Row:
        ticks = self._next_ticks(old.ticks)
        self._db.execute(
            "UPDATE entities SET ticks = ?, body = ? WHERE table_id = ? AND partition = ? AND row = ?",
            (ticks, body, table_id, old.partition, old.row),
        )
        return Row(old.partition, old.row, ticks, body)

    def delete(self, table_id: int, partition: str, row: str) -> None:
        self._db.execute(
            "DELETE FROM entities WHERE table_id = ? AND partition = ? AND row = ?", (table_id, partition, row)
        )

    def _next_ticks(self, old: int) -> int:
        """A version later than every other of this process and than the one it replaces, whatever the clock does."""
        self._ticks = max(now_ticks(), self._ticks + 1, old + 1)
        return self._ticks

    def trim_log(self) -> None:
        """Empty the write-ahead log when checkpoints beside the writer could not."""
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size > _WAL_LIMIT_BYTES:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Page(NamedTuple):
    """The rows of one answer to a query, and the keys with which the next one starts, if there is one."""

    rows: list[Row]
    continuation: tuple[str, str] | None


class Query(NamedTuple):
    """A question for one page: up to `limit` rows that satisfy `expression`, from the keys `start` on."""

    table_id: int
    expression: Expression | None
    start: tuple[str, str] | None
    limit: int


def read_page(db: sqlite3.Connection, query: Query) -> Page:
    """The rows in the order of their keys."""
    expression = query.expression
    statement, values = page_statement(query.table_id, bounds_of(expression), query.start)
    rows: list[Row] = []
    size = 0
    deadline = time.monotonic() + _SCAN_SECONDS
    cursor = db.execute(statement, values)
    try:
        for number, (partition, key, ticks, body) in enumerate(cursor, 1):
            row = Row(partition, key, ticks, body)
            if number % _SCAN_CHECK_ROWS == 0 and time.monotonic() > deadline:
                return Page(rows, (partition, key))
            if expression is None or matches(expression, row):
                if len(rows) == query.limit or (rows and size + len(body) > _PAGE_BYTES):
                    return Page(rows, (partition, key))
                rows.append(row)
                size += len(body)
    finally:
        cursor.close()
    return Page(rows, None)


def page_statement(table_id: int, bounds: Bounds, start: tuple[str, str] | None) -> tuple[str, list[int | str]]:
    """The statement that reads a range of keys in their order, served by the primary key's index."""
    conditions = ["table_id = ?"]
    values: list[int | str] = [table_id]
    if bounds.partition_low is not None and bounds.partition_low == bounds.partition_high:
        conditions.append("partition = ?")
        values.append(bounds.partition_low)
    else:
        _append(conditions, values, "partition >= ?", bounds.partition_low)
        _append(conditions, values, "partition <= ?", bounds.partition_high)
    _append(conditions, values, "row >= ?", bounds.row_low)
    _append(conditions, values, "row <= ?", bounds.row_high)
    if start:
        conditions.append("(partition, row) >= (?, ?)")
        values.extend(start)
    where = " AND ".join(conditions)
    return f"SELECT partition, row, ticks, body FROM entities WHERE {where} ORDER BY partition, row", values  # noqa: S608 only our own words


def _append(conditions: list[str], values: list[int | str], condition: str, value: str | None) -> None:
    if value is not None:
        conditions.append(condition)
        values.append(value)
