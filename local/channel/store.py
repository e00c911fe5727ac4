"""Conversations, their members, their log of activities and their files."""

from __future__ import annotations

import secrets
import sqlite3
import string
from dataclasses import dataclass
from typing import Any

import msgspec

from local.channel.account import kept
from local.channel.database import Database
from local.channel.wire import now

DIRECT_LINE = "directline"
TEAMS = "msteams"
LETTERS = string.ascii_letters + string.digits
Activity = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """`user_id` is empty while nobody is known to take part; `last_position` is the newest watermark."""

    id: str
    channel_id: str
    user_id: str
    user_name: str
    locale: str
    tenant_id: str
    last_position: int
    created_at: str


@dataclass(frozen=True)
class Member:
    id: str
    name: str
    role: str


@dataclass(frozen=True)
class Attachment:
    id: str
    name: str
    type: str
    data: bytes
    thumbnail: bytes | None


class Store:
    """Every method that writes has committed when it returns."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = database.connection

    # Conversations and members

    def conversation(self, conversation_id: str) -> Conversation | None:
        row = self.connection.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
        return _conversation(row) if row else None

    def conversation_ids(self) -> list[str]:
        return [row["id"] for row in self.connection.execute("SELECT id FROM conversations ORDER BY rowid")]

    def conversation_with(self, channel_id: str, tenant_id: str, user_id: str) -> Conversation | None:
        """The newest conversation of this user; on Teams a person has one with a bot."""
        row = self.connection.execute(
            "SELECT * FROM conversations WHERE channel_id = ? AND tenant_id = ? AND user_id = ?"
            " ORDER BY rowid DESC LIMIT 1",
            (channel_id, tenant_id, user_id),
        ).fetchone()
        return _conversation(row) if row else None

    def start(self, conversation: Conversation, bot: Member) -> None:
        """Keep a new conversation with its bot and, if known, its user as members not yet announced to the bot."""
        row = (
            conversation.id, conversation.channel_id, conversation.user_id, conversation.user_name, conversation.locale,
            conversation.tenant_id, conversation.created_at,
        )  # fmt: skip
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO conversations (id, channel_id, user_id, user_name, locale, tenant_id, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            _add_member(connection, conversation.id, bot)
            if conversation.user_id:
                _add_member(connection, conversation.id, Member(conversation.user_id, conversation.user_name, "user"))

    def join(self, conversation_id: str, member: Member) -> None:
        """Add a user unless they are there; the first one becomes the conversation's user."""
        known = "SELECT 1 FROM members WHERE conversation = ? AND id = ?"
        if self.connection.execute(known, (conversation_id, member.id)).fetchone():
            return
        with self.database.transaction() as connection:
            _add_member(connection, conversation_id, member)
            connection.execute(
                "UPDATE conversations SET user_id = ?, user_name = ? WHERE id = ? AND user_id = ''",
                (member.id, member.name, conversation_id),
            )

    def members(self, conversation_id: str) -> list[Member]:
        rows = self.connection.execute(
            "SELECT id, name, role FROM members WHERE conversation = ? ORDER BY role, id", (conversation_id,)
        )
        return [Member(row["id"], row["name"], row["role"]) for row in rows]

    def unannounced(self, conversation_id: str) -> list[Member]:
        rows = self.connection.execute(
            "SELECT id, name, role FROM members WHERE conversation = ? AND announced = 0 ORDER BY role, id",
            (conversation_id,),
        )
        return [Member(row["id"], row["name"], row["role"]) for row in rows]

    def announced(self, conversation_id: str, members: list[Member]) -> None:
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE members SET announced = 1 WHERE conversation = ? AND id = ?",
                [(conversation_id, member.id) for member in members],
            )

    def remove_member(self, conversation_id: str, member_id: str) -> bool:
        cursor = self.connection.execute(
            "DELETE FROM members WHERE conversation = ? AND id = ?", (conversation_id, member_id)
        )
        return cursor.rowcount > 0

    # The log: what clients see, in the order of its positions

    def next_activity_id(self, conversation_id: str) -> str:
        number, _ = _count(self.connection, conversation_id, numbers=1)
        return _activity_id(conversation_id, number)

    def append(
        self, conversation_id: str, activity: Activity, sender: str, *, hold: bool = False, send: int = 0
    ) -> str:
        """Keep an activity, giving it an id unless it has one; a held one gets its position only when released.

        `send` is the account's row of the call that brought it.
        """
        given = str(activity.get("id") or "")
        with self.database.transaction() as connection:
            number, last = _count(connection, conversation_id, numbers=not given, positions=not hold)
            activity_id = given or _activity_id(conversation_id, number)
            body = msgspec.json.encode({**activity, "id": activity_id})
            connection.execute(
                "INSERT INTO log (conversation, position, activity, sender, body) VALUES (?, ?, ?, ?, ?)",
                (conversation_id, None if hold else last, activity_id, sender, body),
            )
            if send:
                kept(connection, send, conversation_id, activity_id)
        return activity_id

    def release(self, conversation_id: str) -> int:
        """Give held activities their positions, oldest first; returns how many there were."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                "SELECT seq FROM log WHERE conversation = ? AND position IS NULL ORDER BY seq", (conversation_id,)
            ).fetchall()
            _, last = _count(connection, conversation_id, positions=len(rows))
            connection.executemany(
                "UPDATE log SET position = ? WHERE seq = ?",
                [(position, row["seq"]) for position, row in enumerate(rows, last - len(rows) + 1)],
            )
        return len(rows)

    def release_all(self) -> None:
        """After a restart no turn is under way, so nothing has to wait for one."""
        rows = self.connection.execute("SELECT DISTINCT conversation FROM log WHERE position IS NULL").fetchall()
        for row in rows:
            self.release(row["conversation"])

    def forget(self, conversation_id: str, activity_id: str) -> None:
        """Take an activity's texts out of the log; its positions stay unused."""
        self.connection.execute(
            "DELETE FROM log WHERE conversation = ? AND activity = ?", (conversation_id, activity_id)
        )

    def after(self, conversation_id: str, position: int, limit: int) -> list[tuple[int, Activity]]:
        rows = self.connection.execute(
            "SELECT position, body FROM log WHERE conversation = ? AND position > ? ORDER BY position LIMIT ?",
            (conversation_id, position, limit),
        )
        return [(row["position"], msgspec.json.decode(row["body"])) for row in rows]

    def activity(self, conversation_id: str, activity_id: str) -> tuple[str, Activity] | None:
        """Sender ("bot" or "user") and newest text of an activity."""
        row = self.connection.execute(
            "SELECT sender, body FROM log WHERE conversation = ? AND activity = ? ORDER BY seq DESC LIMIT 1",
            (conversation_id, activity_id),
        ).fetchone()
        return (row["sender"], msgspec.json.decode(row["body"])) if row else None

    # Files

    def add_attachment(self, conversation_id: str, attachment: Attachment) -> None:
        self.connection.execute(
            "INSERT INTO attachments (id, conversation, name, type, data, thumbnail) VALUES (?, ?, ?, ?, ?, ?)",
            (attachment.id, conversation_id, attachment.name, attachment.type, attachment.data, attachment.thumbnail),
        )

    def attachment(self, attachment_id: str) -> Attachment | None:
        row = self.connection.execute("SELECT * FROM attachments WHERE id = ?", (attachment_id,)).fetchone()
        return Attachment(row["id"], row["name"], row["type"], row["data"], row["thumbnail"]) if row else None


def new_id(length: int = 22) -> str:
    """Unguessable letters and digits: fit for a URL, a path and a shell, where a leading "-" would be an option."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def new_conversation_id() -> str:
    return new_id()


def new_conversation(
    conversation_id: str,
    channel_id: str,
    *,
    user_id: str = "",
    user_name: str = "",
    locale: str = "",
    tenant_id: str = "",
) -> Conversation:
    return Conversation(conversation_id, channel_id, user_id, user_name, locale, tenant_id, 0, now())


def _conversation(row: sqlite3.Row) -> Conversation:
    names = ("id", "channel_id", "user_id", "user_name", "locale", "tenant_id", "last_position", "created_at")
    return Conversation(*(row[name] for name in names))


def _add_member(connection: sqlite3.Connection, conversation_id: str, member: Member) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO members (conversation, id, name, role) VALUES (?, ?, ?, ?)",
        (conversation_id, member.id, member.name, member.role),
    )


def _activity_id(conversation_id: str, number: int) -> str:
    return f"{conversation_id}|{number:07d}"


def _count(
    connection: sqlite3.Connection, conversation_id: str, *, numbers: int = 0, positions: int = 0
) -> tuple[int, int]:
    """Take so many numbers for ids and positions for the log; returns the last taken of each."""
    connection.execute(
        "UPDATE conversations SET last_number = last_number + ?, last_position = last_position + ? WHERE id = ?",
        (numbers, positions, conversation_id),
    )
    row = connection.execute(
        "SELECT last_number, last_position FROM conversations WHERE id = ?", (conversation_id,)
    ).fetchone()
    return int(row["last_number"]), int(row["last_position"])
