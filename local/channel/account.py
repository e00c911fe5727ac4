"""The account of the bot's sends: asked, answered, kept and kept twice, so that "nothing lost" is a query.

A send is one activity that the bot asked to be shown, a message what it meant to say by one send or by several tries.
docs/local-channel.md tells what each number means.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from local.channel.database import Database
from local.channel.wire import field, now, text_field

SCHEMA = """
DROP TABLE IF EXISTS sends; -- the account before it knew repeated messages
CREATE TABLE IF NOT EXISTS account (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, asked_at TEXT NOT NULL, operation TEXT NOT NULL, conversation TEXT NOT NULL,
    scope TEXT NOT NULL, key TEXT NOT NULL, exact INTEGER NOT NULL, passing INTEGER NOT NULL, text TEXT NOT NULL,
    status INTEGER NOT NULL DEFAULT 0, fault TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS account_by_key ON account (scope, key, seq);
CREATE INDEX IF NOT EXISTS account_by_conversation ON account (conversation);
CREATE TABLE IF NOT EXISTS copies (
    send INTEGER NOT NULL, activity TEXT NOT NULL, PRIMARY KEY (send, activity)
) WITHOUT ROWID;
"""
CONTENT = ("type", "name", "text", "attachments", "value", "channelData", "suggestedActions")
DROPPED = -1
EXCERPT = 80
# What the channel hands on or swallows: no log keeps it.
NEVER_SHOWN = frozenset({"conversationUpdate", "trace", "invokeResponse", "invoke", "installationUpdate"})
Activity = dict[str, Any]


class Addressee(NamedTuple):
    """Who a call is for, as far as it is known; `group` is whatever tells a new group from others."""

    channel_id: str = ""
    tenant: str = ""
    user: str = ""
    group: str = ""

    @property
    def person(self) -> str:
        return "\n".join(self) if self.user or self.group else ""


class Account:
    """A row a send. What it left in the log is counted in the transaction that keeps it, its status when answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.connection.executescript(SCHEMA)

    def asked(
        self, operation: str, conversation: str, addressee: Addressee, activities: Sequence[Activity | None]
    ) -> list[int]:
        """A row for each activity, None for one that cannot be read; returns their numbers."""
        at, rows = now(), []
        with self._database.transaction() as connection:
            for activity in activities:
                key, exact = identity(activity)
                person = addressee.person if exact or operation == "create" else ""
                passing = activity is not None and passes(activity)
                text = text_field(activity, "text")[:EXCERPT]
                cursor = connection.execute(
                    "INSERT INTO account (asked_at, operation, conversation, scope, key, exact, passing, text)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (at, operation, conversation, person or conversation, key, exact, passing, text),
                )
                rows.append(int(cursor.lastrowid or 0))
        return rows

    def answered(self, sends: Sequence[int], status: int, fault: str = "") -> None:
        """`status` is what the bot was answered with, DROPPED if it heard no answer."""
        if sends:
            with self._database.transaction() as connection:
                connection.executemany(
                    "UPDATE account SET status = ?, fault = ? WHERE seq = ?", [(status, fault, send) for send in sends]
                )

    def reset(self, conversation: str = "") -> None:
        """Count from zero: everything, or one conversation's sends."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM account WHERE ? IN ('', conversation)", (conversation,))
            connection.execute("DELETE FROM copies WHERE send NOT IN (SELECT seq FROM account)")


def kept(connection: sqlite3.Connection, send: int, conversation: str, activity: str) -> None:
    """Count an activity as kept for a send, in the transaction that puts it into the log."""
    connection.execute("INSERT INTO copies (send, activity) VALUES (?, ?)", (send, activity))
    # One that made its conversation had none when it was asked for.
    connection.execute("UPDATE account SET conversation = ? WHERE seq = ? AND conversation = ''", (conversation, send))


def passes(activity: Activity) -> bool:
    """Whether no log ever keeps it: typing and what is between channel and bot."""
    kind = text_field(activity, "type")
    return kind == "typing" or kind in NEVER_SHOWN


def identity(activity: Activity | None) -> tuple[str, bool]:
    """What tells a message from others, and whether that is exact.

    It is `channelData.deliveryId`; without one, all that a person would see, which another message may share.
    """
    if activity is None:
        return f"unreadable:{secrets.token_hex(8)}", False
    given = text_field(field(activity, "channelData"), "deliveryId")
    if given:
        return f"id:{given}", True
    content = msgspec.json.encode({name: activity.get(name) for name in CONTENT}, order="deterministic")
    return hashlib.sha256(content).hexdigest()[:32], False
