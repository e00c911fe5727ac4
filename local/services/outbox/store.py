"""What was sent, and what the services remember: SQLite in the state folder."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, service TEXT NOT NULL, sender TEXT NOT NULL,
    recipient TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL,
    headers TEXT NOT NULL, message_id TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_recipient ON messages (recipient, id);
CREATE TABLE IF NOT EXISTS repeats (key TEXT PRIMARY KEY, message TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY, ends REAL NOT NULL, error TEXT NOT NULL, message TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (recipient TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Message(NamedTuple):
    """One message to one recipient; `kind` is sms or email, `service` sms, email or smtp."""

    kind: str
    service: str
    sender: str
    recipient: str
    text: str
    name: str = ""
    subject: str = ""
    html: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012  a default that nobody changes
    message_id: str = ""


class Operation(NamedTuple):
    """An e-mail that was accepted: when it ends (seconds since 1970), and how (an error as JSON, or nothing)."""

    id: str
    ends: float
    error: str
    message: str


class Store:
    """All of it behind one connection, used by one thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "outbox.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> None:
        """Everything written inside is kept, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")

    def add(self, message: Message) -> int:
        """Keep a message; its number."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row = (*message[:4], message.name, message.subject, message.text, message.html, json.dumps(message.headers))
        columns = "kind, service, sender, recipient, name, subject, text, html, headers, message_id, at"
        cursor = self._db.execute(
            f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  our own words
            (*row, message.message_id, at),
        )
        return int(cursor.lastrowid or 0)

    def messages(
        self, *, to: str = "", kind: str = "", since: str = "", after: int = 0, limit: int = 500
    ) -> list[dict[str, Any]]:
        """The newest `limit` messages, oldest of them first; `since` is a UTC time as they carry it."""
        conditions, values = ["id > ?"], [after, *filter(None, (to, kind, since))]
        conditions += [
            words for words, value in (("recipient = ?", to), ("kind = ?", kind), ("at >= ?", since)) if value
        ]
        where = " AND ".join(conditions)
        cursor = self._db.execute(
            f"SELECT * FROM messages WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608  our own words
            (*values, limit),
        )
        names = [column[0] for column in cursor.description]
        return [_shown(dict(zip(names, row, strict=True))) for row in cursor.fetchall()[::-1]]

    def html(self, number: int) -> str | None:
        found = self._db.execute("SELECT html FROM messages WHERE id = ?", (number,)).fetchone()
        return found[0] if found else None

    def clear(self) -> int:
        """Forget the messages, not what the services remember; returns how many there were."""
        return self._db.execute("DELETE FROM messages").rowcount

    def repeat(self, key: str) -> tuple[str, str] | None:
        """The message and the answer of an earlier request with this key."""
        found = self._db.execute("SELECT message, answer FROM repeats WHERE key = ?", (key,)).fetchone()
        return (found[0], found[1]) if found else None

    def remember(self, key: str, message: str, answer: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO repeats VALUES (?, ?, ?)", (key, message, answer))

    def operation(self, operation_id: str) -> Operation | None:
        found = self._db.execute("SELECT * FROM operations WHERE id = ?", (operation_id,)).fetchone()
        return Operation(*found) if found else None

    def begin(self, operation: Operation) -> None:
        self._db.execute("INSERT INTO operations VALUES (?, ?, ?, ?)", operation)

    def refuses(self, recipient: str) -> bool:
        """Whether this person opted out (SMS), or is on the suppression list (e-mail)."""
        return self._db.execute("SELECT 1 FROM refusals WHERE recipient = ?", (recipient,)).fetchone() is not None

    def refusals(self) -> list[str]:
        return [row[0] for row in self._db.execute("SELECT recipient FROM refusals ORDER BY recipient")]

    def set_refusal(self, recipient: str, *, refuses: bool) -> None:
        statement = (
            "INSERT OR IGNORE INTO refusals VALUES (?)" if refuses else "DELETE FROM refusals WHERE recipient = ?"
        )
        self._db.execute(statement, (recipient,))

    def kept(self, name: str) -> str:
        found = self._db.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def keep(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    row["to"], row["from"] = row.pop("recipient"), row.pop("sender")
    row["messageId"] = row.pop("message_id")
    row["headers"] = json.loads(row["headers"])
    return row
