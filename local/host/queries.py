"""Lists of instances and entities with their filters and pages; purges."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.host.commands import Status
from local.host.database import Database
from local.host.records import Entity, Instance
from local.host.store import erase

FINAL_SQL = "status IN (1, 3, 4, 5)"
# Word for word what the partial index says: SQLite uses it for nothing else.
OPEN_SQL = "status NOT IN (1, 3, 4, 5)"
PURGE_STEP = 200
"""Instances that one transaction looks at: some milliseconds."""
EARLIEST = -(2**62)
Place = tuple[int, str]
"""When an instance was created, and its id."""


@dataclass
class InstanceFilter:
    """Times in microseconds; `after` is the last id of the page before."""

    created_from: int | None = None
    created_to: int | None = None
    statuses: list[Status] = field(default_factory=list)
    prefix: str | None = None
    after: str | None = None
    top: int = 100

    def where(self) -> tuple[str, tuple[object, ...]]:
        clauses: list[str] = []
        values: list[object] = []
        if self.created_from is not None:
            clauses.append("created >= ?")
            values.append(self.created_from)
        if self.created_to is not None:
            clauses.append("created <= ?")
            values.append(self.created_to)
        if self.statuses:
            clauses.append(f"status IN ({', '.join('?' * len(self.statuses))})")
            values += self.statuses
            if not any(status.is_final for status in self.statuses):
                clauses.append(OPEN_SQL)
        if self.prefix:
            clauses.append("substr(id, 1, ?) = ? AND id >= ?")
            values += [len(self.prefix), self.prefix, self.prefix]
        if self.after is not None:
            clauses.append("id > ?")
            values.append(self.after)
        return " AND ".join(clauses) or "1", tuple(values)


class Queries:
    def __init__(self, database: Database) -> None:
        self._database = database

    def instances(self, wanted: InstanceFilter) -> tuple[list[Instance], str | None]:
        """A page in the order of ids, and where the next one begins."""
        if wanted.top <= 0:
            return [], ""
        where, values = wanted.where()
        rows = self._database.rows(
            f"SELECT {Instance.COLUMNS} FROM instances WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608
            (*values, wanted.top + 1),
        )
        page = [Instance.from_row(row) for row in rows[: wanted.top]]
        return page, page[-1].id if len(rows) > wanted.top else None

    def purge(self, instance_id: str) -> bool:
        """Remove an instance or an entity, whatever its state. False if there is none."""
        with self._database.transaction() as run:
            found = run("SELECT 1 FROM instances WHERE id = ?", (instance_id,)).fetchone()
            erase(run, instance_id)
            gone = run("DELETE FROM entities WHERE id = ?", (instance_id,)).rowcount
            return found is not None or gone > 0

    def purge_step(self, wanted: InstanceFilter, until: int, after: Place | None) -> tuple[int, Place | None]:
        """Look at the next instances in the order of their creation, up to `until`, and remove those that have finished
        and match. Returns how many these were, and where the next step goes on (None: there is none).
        """
        where, values = wanted.where()
        first = after or (wanted.created_from if wanted.created_from is not None else EARLIEST, "")
        with self._database.transaction() as run:
            rows = run(
                f"SELECT created, id, {where} AND {FINAL_SQL} FROM instances "  # noqa: S608
                "WHERE (created, id) > (?, ?) AND created <= ? ORDER BY created, id LIMIT ?",
                (*values, *first, until, PURGE_STEP),
            ).fetchall()
            found = [instance_id for _, instance_id, matches in rows if matches]
            for instance_id in found:
                erase(run, instance_id)
        return len(found), rows[-1][:2] if len(rows) == PURGE_STEP else None

    def clear_step(self, until: int) -> tuple[int, bool]:
        """Remove some instances that have not ended and were created up to `until`: how many, and may there be more?"""
        with self._database.transaction() as run:
            found = run(
                f"SELECT id FROM instances WHERE {OPEN_SQL} AND created <= ? LIMIT ?",  # noqa: S608
                (until, PURGE_STEP),
            ).fetchall()
            for (instance_id,) in found:
                erase(run, instance_id)
        return len(found), len(found) == PURGE_STEP

    def open_instances(self, limit: int) -> list[Instance]:
        """Instances that have not ended, the oldest first."""
        rows = self._database.rows(
            f"SELECT {Instance.COLUMNS} FROM instances WHERE {OPEN_SQL} ORDER BY created LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [Instance.from_row(row) for row in rows]

    def count_open(self) -> int:
        return int(self._database.rows(f"SELECT COUNT(*) FROM instances WHERE {OPEN_SQL}")[0][0])  # noqa: S608

    def history(self, instance_id: str) -> list[str]:
        rows = self._database.rows("SELECT events FROM history WHERE instance = ? ORDER BY part", (instance_id,))
        return [row[0] for row in rows]

    def entity(self, entity_id: str) -> Entity | None:
        rows = self._database.rows("SELECT id, state, created, updated FROM entities WHERE id = ?", (entity_id,))
        return Entity(*rows[0]) if rows else None

    def entities(self, prefix: str, after: str | None, top: int) -> tuple[list[Entity], str | None]:
        """A page of the entities whose id begins so, in the order of ids, and where the next one begins."""
        if top <= 0:
            return [], ""
        rows = self._database.rows(
            "SELECT id, state, created, updated FROM entities WHERE substr(id, 1, ?) = ? AND id > ? "
            "ORDER BY id LIMIT ?",
            (len(prefix), prefix, after or "", top + 1),
        )
        page = [Entity(*row) for row in rows[:top]]
        return page, page[-1].id if len(rows) > top else None
