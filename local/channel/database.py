"""The one SQLite file of the channel: what is committed survives a kill -9 of the process at any moment."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.channel.people import aad_object_id

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, channel_id TEXT NOT NULL, user_id TEXT NOT NULL, user_name TEXT NOT NULL, locale TEXT NOT NULL,
    tenant_id TEXT NOT NULL, last_number INTEGER NOT NULL DEFAULT 0, last_position INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS conversations_by_user ON conversations (channel_id, tenant_id, user_id);
CREATE TABLE IF NOT EXISTS members (
    conversation TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
    announced INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (conversation, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, position INTEGER, activity TEXT NOT NULL,
    sender TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS log_by_position ON log (conversation, position);
CREATE INDEX IF NOT EXISTS log_by_activity ON log (conversation, activity);
CREATE INDEX IF NOT EXISTS log_held ON log (conversation) WHERE position IS NULL;
CREATE TABLE IF NOT EXISTS attachments (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL,
    thumbnail BLOB
);
"""
# Columns that a state folder of an earlier version lacks.
LATER = (("conversations", "kind"), ("conversations", "topic"), ("members", "object_id"))
LATER_INDEXES = """
CREATE INDEX IF NOT EXISTS members_by_id ON members (id);
CREATE INDEX IF NOT EXISTS members_by_object ON members (object_id);
"""


class StateInUseError(Exception):
    """Another channel runs on this state folder: wake-ups of streams would not reach its clients."""


class StateUnusableError(Exception):
    """The folder cannot be written, or what is in it is no database."""


class Database:
    """A connection used from one thread only; writes are synchronous, so their order is the order of the calls."""

    def __init__(self, folder: Path) -> None:
        self._inside = False
        self._path = folder / "channel.db"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._open()
        except (OSError, sqlite3.Error) as error:
            raise StateUnusableError(f"{folder} ({error})") from error

    def _open(self) -> None:
        self.connection = sqlite3.connect(self._path, isolation_level=None, timeout=5)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(SCHEMA)
        with self.transaction():
            _bring_up_to_date(self.connection)
        self.connection.executescript(LATER_INDEXES)

    @contextmanager
    def beside(self) -> Iterator[sqlite3.Connection]:
        """A connection for another thread: it reads what is committed by now, and nothing later."""
        source = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(source, uri=True, isolation_level=None, timeout=5)
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        self.connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end, or leaves nothing behind; one inside another is a part of it."""
        if self._inside:
            yield self.connection
            return
        self.connection.execute("BEGIN IMMEDIATE")
        self._inside = True
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may have ended it already.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        finally:
            self._inside = False

    def kept(self, name: str, fresh: bytes | None = None) -> bytes:
        """The value kept under `name`; the first call keeps `fresh`, by default 32 random bytes."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row:
            return bytes(row["value"])
        value = secrets.token_bytes(32) if fresh is None else fresh
        self.keep(name, value)
        return value

    def keep(self, name: str, value: bytes) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    for table, column in LATER:
        if column not in {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
    connection.create_function("aad_object_id", 1, aad_object_id, deterministic=True)
    connection.execute("UPDATE members SET object_id = aad_object_id(id) WHERE role = 'user' AND object_id = ''")


def _locked(folder: Path) -> int:
    """A lock that the kernel takes back however the process ends."""
    descriptor = os.open(folder / "channel.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateInUseError(str(folder)) from error
    return descriptor
