"""Conversations, their members, their log of activities and their files."""

from __future__ import annotations

import secrets
import sqlite3
import string
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from local.channel.account import kept
from local.channel.database import Database
from local.channel.people import aad_object_id
from local.channel.wire import now

DIRECT_LINE = "directline"
TEAMS = "msteams"
GROUP_CHAT = "groupChat"
CHANNEL_THREAD = "channel"
LETTERS = string.ascii_letters + string.digits
Activity = dict[str, Any]
# Clients of WebSockets refuse frames above some size, often a few MB, and would meet the same frame again for ever.
PAGE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Conversation:
    """`user_id` is empty while nobody is known to take part and in groups; `last_position` is the newest watermark.

    `kind` is the conversationType of a group, empty for all others.
    """

    id: str
    channel_id: str
    user_id: str
    user_name: str
    locale: str
    tenant_id: str
    last_position: int
    created_at: str
    kind: str = ""
    topic: str = ""

    @property
    def is_group(self) -> bool:
        return bool(self.kind)


@dataclass(frozen=True)
class Member:
    """`object_id` is a person's in their tenant; empty for the bot, or to be derived from the id."""

    id: str
    name: str
    role: str
    object_id: str = ""


@dataclass(frozen=True)
class Attachment:
    id: str
    name: str
    type: str
    data: bytes
    thumbnail: bytes | None


CONVERSATIONS = f"SELECT {', '.join(column.name for column in fields(Conversation))} FROM conversations"  # noqa: S608  our own names


class Store:
    """Every method that writes has committed when it returns."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = database.connection

    # Conversations and members

    def conversation(self, conversation_id: str) -> Conversation | None:
        row = self.connection.execute(f"{CONVERSATIONS} WHERE id = ?", (conversation_id,)).fetchone()
        return Conversation(*row) if row else None

    def conversation_ids(self) -> list[str]:
        return [row["id"] for row in self.connection.execute("SELECT id FROM conversations ORDER BY rowid")]

    def conversation_with(self, channel_id: str, tenant_id: str, user_id: str) -> Conversation | None:
        """The newest conversation of this user; on Teams a person has one with a bot."""
        row = self.connection.execute(
            f"{CONVERSATIONS} WHERE channel_id = ? AND tenant_id = ? AND user_id = ? ORDER BY rowid DESC LIMIT 1",
            (channel_id, tenant_id, user_id),
        ).fetchone()
        return Conversation(*row) if row else None

    def person(self, tenant_id: str, user_id: str, object_id: str) -> Member | None:
        """A person whom any Teams conversation of the tenant knows by the one id or by the other."""
        row = self.connection.execute(
            "SELECT m.id, m.name, m.role, m.object_id FROM members m JOIN conversations c ON c.id = m.conversation"
            " WHERE c.channel_id = ? AND c.tenant_id = ? AND m.role = 'user'"
            " AND (m.id = ? OR (? != '' AND m.object_id = ?)) ORDER BY m.id = ? DESC, c.rowid LIMIT 1",
            (TEAMS, tenant_id, user_id, object_id, object_id, user_id),
        ).fetchone()
        return _member(row) if row else None

    def start(self, conversation: Conversation, *members: Member) -> None:
        """Keep a new conversation with its members, not yet announced to the bot."""
        row = (
            conversation.id, conversation.channel_id, conversation.user_id, conversation.user_name, conversation.locale,
            conversation.tenant_id, conversation.created_at, conversation.kind, conversation.topic,
        )  # fmt: skip
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO conversations"
                " (id, channel_id, user_id, user_name, locale, tenant_id, created_at, kind, topic)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            for member in members:
                _add_member(connection, conversation.id, member)

    def join(self, conversation_id: str, member: Member) -> Member:
        """The user as the conversation knows them, added if they are new; the first becomes a personal one's user."""
        known = "SELECT id, name, role, object_id FROM members WHERE conversation = ? AND id = ?"
        row = self.connection.execute(known, (conversation_id, member.id)).fetchone()
        if row:
            return Member(member.id, member.name or row["name"], member.role, row["object_id"])
        with self.database.transaction() as connection:
            _add_member(connection, conversation_id, member)
            connection.execute(
                "UPDATE conversations SET user_id = ?, user_name = ? WHERE id = ? AND user_id = '' AND kind = ''",
                (member.id, member.name, conversation_id),
            )
        return member

    def members(self, conversation_id: str) -> list[Member]:
        rows = self.connection.execute(
            "SELECT id, name, role, object_id FROM members WHERE conversation = ? ORDER BY role, id",
            (conversation_id,),
        )
        return [_member(row) for row in rows]

    def unannounced(self, conversation_id: str) -> list[Member]:
        rows = self.connection.execute(
            "SELECT id, name, role, object_id FROM members WHERE conversation = ? AND announced = 0 ORDER BY role, id",
            (conversation_id,),
        )
        return [_member(row) for row in rows]

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
        rows = self.connection.execute(
            "SELECT seq FROM log WHERE conversation = ? AND position IS NULL ORDER BY seq", (conversation_id,)
        ).fetchall()
        if rows:
            with self.database.transaction() as connection:
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
        """The next activities, at most `limit` and, unless the first is larger, PAGE_BYTES of them; [] at the end."""
        rows = self.connection.execute(
            "SELECT position, body FROM log WHERE conversation = ? AND position > ? ORDER BY position LIMIT ?",
            (conversation_id, position, limit),
        )
        taken: list[tuple[int, Activity]] = []
        size = 0
        for row in rows:
            size += len(row["body"])
            if taken and size > PAGE_BYTES:
                break
            taken.append((row["position"], msgspec.json.decode(row["body"])))
        return taken

    def activity(self, conversation_id: str, activity_id: str) -> tuple[str, Activity] | None:
        """Sender ("bot" or "user") and newest text of an activity."""
        row = self.connection.execute(
            "SELECT sender, body FROM log WHERE conversation = ? AND activity = ? ORDER BY seq DESC LIMIT 1",
            (conversation_id, activity_id),
        ).fetchone()
        return (row["sender"], msgspec.json.decode(row["body"])) if row else None

    def gave(self, conversation_id: str, activity_id: str) -> bool:
        """Whether it is the id of an activity here that was not taken back, also of one whose turn is not over."""
        found = self.activity(conversation_id, activity_id)
        if found:
            return found[1].get("type") != "messageDelete"
        row = self.connection.execute(
            "SELECT last_number FROM conversations WHERE id = ?", (conversation_id,)
        ).fetchone()
        number = activity_id.rpartition("|")[2]
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        if not row or not is_number or not 0 < int(number) <= row["last_number"]:
            return False
        return activity_id == _activity_id(conversation_id, int(number))

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


def new_group(kind: str, tenant_id: str, topic: str, locale: str) -> Conversation:
    """A group of Teams with an id of the form that theirs have, which has to be percent-encoded in a path."""
    domain = "thread.tacv2" if kind == CHANNEL_THREAD else "thread.v2"
    return Conversation(f"19:{new_id().lower()}@{domain}", TEAMS, "", "", locale, tenant_id, 0, now(), kind, topic)


def _member(row: sqlite3.Row) -> Member:
    return Member(row["id"], row["name"], row["role"], row["object_id"])


def _add_member(connection: sqlite3.Connection, conversation_id: str, member: Member) -> None:
    object_id = (member.object_id or aad_object_id(member.id)) if member.role == "user" else ""
    connection.execute(
        "INSERT OR IGNORE INTO members (conversation, id, name, role, object_id) VALUES (?, ?, ?, ?, ?)",
        (conversation_id, member.id, member.name, member.role, object_id),
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
