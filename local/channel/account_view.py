"""The account's numbers, and the list behind each of them."""

from __future__ import annotations

import sqlite3
from typing import Any

# Sends of the same key in their order. One begins a message when it is the first, or when the one before it was
# accepted and no deliveryId says that it is the same all the same; else it is a retry of the one before.
SENDS = """
WITH sends AS (
    SELECT *, (SELECT COUNT(*) FROM copies WHERE send = seq) AS copies FROM account {where}
)
"""
MESSAGES = f"""
{SENDS}, lines AS (
    SELECT *, LAG(seq) OVER line AS before, LAG(status BETWEEN 200 AND 299) OVER line AS settled
    FROM sends WHERE NOT passing WINDOW line AS (PARTITION BY scope, key ORDER BY seq)
), tries AS (
    SELECT *, MAX(CASE WHEN before IS NULL OR (settled AND NOT exact) THEN seq END)
        OVER (PARTITION BY scope, key ORDER BY seq) AS message
    FROM lines
), messages AS (
    SELECT message AS seq, key, MAX(exact) AS exact, COUNT(*) AS tries, JSON_GROUP_ARRAY(seq) AS sends,
        SUM(copies) AS copies, MAX(status BETWEEN 200 AND 299) AS accepted,
        MAX(CASE WHEN seq = message THEN before END) AS repeats
    FROM tries GROUP BY message
)
"""  # noqa: S608  constants
OF_SENDS = {
    "asked": "1",
    "passing": "passing",
    "accepted": "status BETWEEN 200 AND 299",
    "refused": "status >= 300",
    "dropped": "status = -1",
    "unanswered": "status = 0",
    "kept": "copies > 0",
    "keptWithoutAYes": "copies > 0 AND status NOT BETWEEN 200 AND 299",
}
OF_MESSAGES = {
    "messages": "1",
    "delivered": "copies > 0",
    "repeated": "repeats IS NOT NULL",
    "duplicated": "copies > 1",
    "guessed": "tries > 1 AND NOT exact",
    "undelivered": "copies = 0",
    "lost": "copies = 0 AND accepted",
}
NUMBERS = (*OF_SENDS, *OF_MESSAGES)
# Where one entry of the list stands for several of the number.
WEIGHTS = {"kept": "copies", "duplicated": "copies - 1"}


class AccountView:
    """The account as it stands, by a connection of its own, so that a long one is read beside the channel's work."""

    def __init__(self, connection: sqlite3.Connection, conversation: str = "") -> None:
        self._connection = connection
        self._values: dict[str, Any] = {"conversation": conversation}
        where = "WHERE conversation = :conversation" if conversation else ""
        self._sends = SENDS.format(where=where)
        self._messages = MESSAGES.format(where=where)

    def totals(self) -> dict[str, Any]:
        """Every number by its name, and `byStatus`, the sends by what they were answered."""
        counts: dict[str, Any] = {}
        for common, table, numbers in (
            (self._sends, "sends", OF_SENDS),
            (self._messages, "messages", OF_MESSAGES),
        ):
            columns = ", ".join(
                f"COALESCE(SUM(CASE WHEN {condition} THEN {WEIGHTS.get(name, '1')} END), 0) AS {name}"
                for name, condition in numbers.items()
            )
            counts |= dict(self._rows(f"{common} SELECT {columns} FROM {table}")[0])  # noqa: S608  constants
        by_status = "SELECT status, COUNT(*) AS n FROM sends GROUP BY status ORDER BY status"
        statuses = self._rows(f"{self._sends} {by_status}")
        counts["byStatus"] = {str(each["status"]): each["n"] for each in statuses}
        return counts

    def entries(self, name: str, after: int, limit: int) -> list[dict[str, Any]]:
        """What the number `name` counts, oldest first, from behind the entry `after`."""
        page = "AND seq > :after ORDER BY seq LIMIT :limit"
        if name in OF_SENDS:
            query = f"{self._sends} SELECT * FROM sends WHERE {OF_SENDS[name]} {page}"  # noqa: S608  constants
            return [self._send(row) for row in self._rows(query, after=after, limit=limit)]
        query = f"{self._messages} SELECT * FROM messages WHERE {OF_MESSAGES[name]} {page}"  # noqa: S608  constants
        return [self._message(row) for row in self._rows(query, after=after, limit=limit)]

    def _rows(self, query: str, **values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(query, self._values | values).fetchall()

    def _send(self, row: sqlite3.Row) -> dict[str, Any]:
        entry = {"seq": row["seq"], "askedAt": row["asked_at"], "conversation": row["conversation"]}
        entry |= {"key": row["key"], "text": row["text"], "activities": self._activities(f"[{row['seq']}]")}
        return {**entry, "operation": row["operation"], "status": row["status"], "fault": row["fault"]}

    def _message(self, row: sqlite3.Row) -> dict[str, Any]:
        """Its text is that of the first try; its conversation that of the last one that had any."""
        by_try = "SELECT account.* FROM account JOIN JSON_EACH(:sends) ON seq = value ORDER BY seq"
        tries = self._rows(by_try, sends=row["sends"])
        return {
            "seq": row["seq"],
            "askedAt": tries[0]["asked_at"],
            "conversation": next((each["conversation"] for each in reversed(tries) if each["conversation"]), ""),
            "key": row["key"],
            "text": tries[0]["text"],
            "activities": self._activities(row["sends"]),
            "sends": [each["seq"] for each in tries],
            "statuses": [each["status"] for each in tries],
            "triedAt": [each["asked_at"] for each in tries],
            "repeats": row["repeats"],
        }

    def _activities(self, sends: str) -> list[str]:
        """The ids of what was kept for `sends`, a JSON array of their numbers."""
        kept = "SELECT activity FROM copies JOIN JSON_EACH(:sends) ON send = value ORDER BY send"
        return [row["activity"] for row in self._rows(kept, sends=sends)]
