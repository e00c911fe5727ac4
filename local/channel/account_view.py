"""The account's numbers, and the list behind each of them."""

from __future__ import annotations

import sqlite3
from typing import Any

from local.channel.database import Database
from local.channel.errors import bad_argument

MOST_LISTED = 1000
# Sends of the same key in their order. One begins a message when it is the first, or when the one before it was
# accepted and no deliveryId says that it is the same all the same; else it is a retry of the one before.
SENDS = """
WITH sends AS (
    SELECT account.*, (SELECT COUNT(*) FROM copies WHERE send = seq) AS copies,
        (SELECT GROUP_CONCAT(activity, ' ') FROM copies WHERE send = seq) AS activities
    FROM account WHERE :conversation IN ('', conversation)
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
    SELECT message AS seq, MIN(asked_at) AS asked_at, MAX(conversation) AS conversation, key, text,
        SUM(copies) AS copies, MAX(status BETWEEN 200 AND 299) AS accepted,
        MAX(CASE WHEN seq = message THEN before END) AS repeats,
        GROUP_CONCAT(seq || ':' || status, ' ') AS tries, GROUP_CONCAT(activities, ' ') AS activities
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
    "undelivered": "copies = 0",
    "lost": "copies = 0 AND accepted",
}
# Where one entry of the list stands for several of the number.
WEIGHTS = {"kept": "copies", "duplicated": "copies - 1"}


def totals(database: Database, conversation: str = "") -> dict[str, Any]:
    """Every number by its name, over all conversations or one, and `byStatus`, the sends by what they were answered."""
    values = {"conversation": conversation}
    counts: dict[str, Any] = {}
    for common, table, numbers in ((SENDS, "sends", OF_SENDS), (MESSAGES, "messages", OF_MESSAGES)):
        columns = ", ".join(
            f"COALESCE(SUM(CASE WHEN {condition} THEN {WEIGHTS.get(name, '1')} END), 0) AS {name}"
            for name, condition in numbers.items()
        )
        counts |= dict(database.connection.execute(f"{common} SELECT {columns} FROM {table}", values).fetchone())  # noqa: S608  constants
    statuses = database.connection.execute(
        f"{SENDS} SELECT status, COUNT(*) AS n FROM sends GROUP BY status ORDER BY status",  # noqa: S608  constants
        values,
    )
    counts["byStatus"] = {str(each["status"]): each["n"] for each in statuses}
    return counts


def entries(
    database: Database, name: str, conversation: str = "", *, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """What one number counts, oldest first, from behind the entry `after`; raises 400 for an unknown name."""
    values = {"conversation": conversation, "after": after, "limit": limit}
    if name in OF_SENDS:
        query, shown = f"{SENDS} SELECT * FROM sends WHERE {OF_SENDS[name]}", _send  # noqa: S608  constants
    elif name in OF_MESSAGES:
        query, shown = f"{MESSAGES} SELECT * FROM messages WHERE {OF_MESSAGES[name]}", _message  # noqa: S608  constants
    else:
        raise bad_argument(f"'list' must be one of: {', '.join((*OF_SENDS, *OF_MESSAGES))}.")
    rows = database.connection.execute(f"{query} AND seq > :after ORDER BY seq LIMIT :limit", values)
    return [shown(row) for row in rows]


def _send(row: sqlite3.Row) -> dict[str, Any]:
    return {**_common(row), "operation": row["operation"], "status": row["status"], "fault": row["fault"]}


def _message(row: sqlite3.Row) -> dict[str, Any]:
    tries = sorted(tuple(map(int, each.split(":"))) for each in row["tries"].split(" "))
    return {
        **_common(row),
        "sends": [send for send, _ in tries],
        "statuses": [status for _, status in tries],
        "repeats": row["repeats"],
    }


def _common(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "seq": row["seq"],
        "askedAt": row["asked_at"],
        "conversation": row["conversation"],
        "key": row["key"],
        "text": row["text"],
        "activities": sorted((row["activities"] or "").split()),
    }
