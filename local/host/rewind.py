"""Rewinding a failed orchestration: what failed is taken out of its history, so that the next turn does it again."""

from __future__ import annotations

from local.host import history
from local.host.commands import Status
from local.host.database import Run
from local.host.history import Event, EventType
from local.host.records import Instance
from local.host.store import Store

FAILED = (EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED)
CHILD_KINDS = (EventType.SUB_ORCHESTRATION_CREATED, EventType.SUB_ORCHESTRATION_FAILED)


def rewind(store: Store, instance: Instance, reason: str | None, now: int) -> list[str]:
    """Rewind an instance and the children that failed under it; returns the instances to wake."""
    with store.database.transaction() as run:
        return _rewind(store, run, instance, reason, now)


def _rewind(store: Store, run: Run, instance: Instance, reason: str | None, now: int) -> list[str]:
    rows = run("SELECT events FROM history WHERE instance = ? ORDER BY part", (instance.id,)).fetchall()
    events = history.read([row[0] for row in rows])
    woken: list[str] = []
    kept, children = _without_failures(events, reason)
    for child_id in children:
        child = _child(run, child_id)
        if child is not None and child.status is Status.FAILED:
            woken += _rewind(store, run, child, reason, now)
    run("DELETE FROM history WHERE instance = ?", (instance.id,))
    text = ",".join(history.text(event) for event in kept)
    run("INSERT INTO history VALUES (?, 0, ?)", (instance.id, text))
    run("UPDATE instances SET status = ?, output = NULL, updated = ? WHERE id = ?", (Status.RUNNING, now, instance.id))
    if not any(child in woken for child in children):
        event = history.event(EventType.GENERIC, now, Data=f"Rewound: {reason or ''}")
        store.send_within(run, instance.id, history.text(event))
        woken.append(instance.id)
    return woken


def _without_failures(events: list[Event], reason: str | None) -> tuple[list[Event], list[str]]:
    """History with each failure, what it was scheduled by and the end turned into remarks; the children that failed."""
    failed = {(e["EventType"] in CHILD_KINDS, e["TaskScheduledId"]) for e in events if e["EventType"] in FAILED}
    kept, children = [], []
    for event in events:
        kind = event["EventType"]
        scheduled = (
            kind in (EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED)
            and (kind in CHILD_KINDS, event["EventId"]) in failed
        )
        if kind == EventType.SUB_ORCHESTRATION_CREATED and scheduled:
            children.append(event["InstanceId"])
            kept.append(event)
        elif kind in FAILED or kind == EventType.EXECUTION_COMPLETED or scheduled:
            kept.append({**event_head(event), "Data": f"Rewound: {reason or ''}"})
        else:
            kept.append(event)
    return kept, children


def event_head(event: Event) -> Event:
    return {
        "EventType": int(EventType.GENERIC),
        "EventId": event["EventId"],
        "IsPlayed": event["IsPlayed"],
        "Timestamp": event["Timestamp"],
    }


def _child(run: Run, instance_id: str) -> Instance | None:
    row = run(f"SELECT {Instance.COLUMNS} FROM instances WHERE id = ?", (instance_id,)).fetchone()  # noqa: S608
    return Instance.from_row(row) if row else None
