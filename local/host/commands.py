"""What one turn of an orchestration asks the host to do. The class names in `kind` are DurableTask.Core's, which its
messages about non-determinism quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Status(IntEnum):
    """Orchestration statuses, numbered as DurableTask.Core numbers them in history."""

    RUNNING = 0
    COMPLETED = 1
    CONTINUED_AS_NEW = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    PENDING = 6
    SUSPENDED = 7

    @property
    def label(self) -> str:
        return LABELS[self]

    @property
    def is_final(self) -> bool:
        return self in FINAL


LABELS = {
    Status.RUNNING: "Running",
    Status.COMPLETED: "Completed",
    Status.CONTINUED_AS_NEW: "ContinuedAsNew",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
    Status.TERMINATED: "Terminated",
    Status.PENDING: "Pending",
    Status.SUSPENDED: "Suspended",
}
FINAL = frozenset((Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED))


@dataclass(frozen=True)
class ScheduleTask:
    kind: ClassVar[str] = "ScheduleTaskOrchestratorAction"
    name: str
    input: str | None


@dataclass(frozen=True)
class CreateTimer:
    kind: ClassVar[str] = "CreateTimerOrchestratorAction"
    fire_at: int


@dataclass(frozen=True)
class CreateSubOrchestration:
    kind: ClassVar[str] = "CreateSubOrchestrationAction"
    name: str
    instance_id: str
    version: str | None
    input: str | None


@dataclass(frozen=True)
class SendEvent:
    kind: ClassVar[str] = "SendEventOrchestratorAction"
    target: str
    name: str
    input: str


@dataclass(frozen=True)
class Complete:
    """The end of this execution. `carried` are events that go along into a continued one."""

    kind: ClassVar[str] = "OrchestrationCompleteOrchestratorAction"
    status: Status
    result: str | None
    details: str | None = None


Command = ScheduleTask | CreateTimer | CreateSubOrchestration | SendEvent | Complete
