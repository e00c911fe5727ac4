"""The account of the bot's sends: asked, answered, kept and kept twice, so that "nothing lost" is a query."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from local.channel.database import Database
from local.channel.wire import field, text_field

SCHEMA = """
CREATE TABLE IF NOT EXISTS sends (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    asked_at TEXT NOT NULL, activity TEXT NOT NULL DEFAULT '', status INTEGER NOT NULL DEFAULT 0,
    fault TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS sends_by_key ON sends (conversation, key);
"""
CONTENT = ("type", "name", "text", "attachments", "value", "channelData", "suggestedActions")
DROPPED = -1


class Account:
    """One row a send. `activity` is set in the transaction that keeps the message, `status` when it is answered."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._connection.executescript(SCHEMA)

    def asked(self, conversation: str, operation: str, body: dict[str, Any], at: str) -> int:
        cursor = self._connection.execute(
            "INSERT INTO sends (conversation, operation, key, asked_at) VALUES (?, ?, ?, ?)",
            (conversation, operation, identity(body), at),
        )
        return int(cursor.lastrowid or 0)

    def answered(self, seq: int, status: int, fault: str = "") -> None:
        """`status` is what the bot was answered with, DROPPED if its connection was."""
        self._connection.execute("UPDATE sends SET status = ?, fault = ? WHERE seq = ?", (status, fault, seq))

    def totals(self, conversation: str = "") -> dict[str, Any]:
        """Counts over all conversations or one.

        asked = calls; accepted / refused / dropped / unanswered = by what the bot was told; kept = calls whose message
        is in the log; messages = different ones asked for; delivered = different ones kept; duplicated = kept beyond
        the first; undelivered = asked for and never kept.
        """
        where, values = ("WHERE conversation = ?", (conversation,)) if conversation else ("", ())
        row = self._connection.execute(
            "SELECT COUNT(*) AS asked, COALESCE(SUM(status BETWEEN 200 AND 299), 0) AS accepted,"  # noqa: S608  constants
            " COALESCE(SUM(status >= 300), 0) AS refused, COALESCE(SUM(status = -1), 0) AS dropped,"
            " COALESCE(SUM(status = 0), 0) AS unanswered, COALESCE(SUM(activity != ''), 0) AS kept,"
            " COALESCE(SUM(activity != '' AND status NOT BETWEEN 200 AND 299), 0) AS keptWithoutAYes,"
            " COUNT(DISTINCT CASE WHEN activity != '' THEN conversation || ' ' || key END) AS delivered,"
            f" COUNT(DISTINCT conversation || ' ' || key) AS messages FROM sends {where}",
            values,
        ).fetchone()
        counts = dict(row)
        counts["duplicated"] = counts["kept"] - counts["delivered"]
        counts["undelivered"] = counts["messages"] - counts["delivered"]
        statuses = self._connection.execute(
            f"SELECT status, COUNT(*) AS n FROM sends {where} GROUP BY status ORDER BY status",  # noqa: S608  constants
            values,
        )
        counts["byStatus"] = {str(each["status"]): each["n"] for each in statuses}
        return counts

    def duplicates(self, limit: int = 100) -> list[dict[str, Any]]:
        """Messages that were kept more than once, with the activities' ids."""
        rows = self._connection.execute(
            "SELECT conversation, key, COUNT(*) AS kept, GROUP_CONCAT(activity, ' ') AS activities FROM sends"
            " WHERE activity != '' GROUP BY conversation, key HAVING COUNT(*) > 1 ORDER BY MIN(seq) LIMIT ?",
            (limit,),
        )
        return [{**dict(row), "activities": row["activities"].split(" ")} for row in rows]

    def undelivered(self, limit: int = 100) -> list[dict[str, Any]]:
        """Messages that were asked for and never kept."""
        rows = self._connection.execute(
            "SELECT conversation, key, COUNT(*) AS asked, MAX(status) AS status FROM sends GROUP BY conversation, key"
            " HAVING MAX(activity) = '' ORDER BY MIN(seq) LIMIT ?",
            (limit,),
        )
        return [dict(row) for row in rows]

    def reset(self) -> None:
        self._connection.execute("DELETE FROM sends")


def identity(body: dict[str, Any]) -> str:
    """What makes two sends the same message: `channelData.deliveryId`, else all that a person would see of it."""
    given = text_field(field(body, "channelData"), "deliveryId")
    if given:
        return f"id:{given}"
    content = msgspec.json.encode({name: body.get(name) for name in CONTENT}, order="deterministic")
    return hashlib.sha256(content).hexdigest()[:32]
