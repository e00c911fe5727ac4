"""What the state file holds, row by row, and what one turn writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.host import jsontext
from local.host.commands import Status


@dataclass
class Instance:
    """An orchestration instance. Times are microseconds since 1970. `input` and `custom_status` are JSON text; `output`
    too, but plain text once the instance failed, was terminated or suspended.
    """

    id: str
    execution: str
    name: str
    version: str | None
    status: Status
    input: str | None
    output: str | None
    custom_status: str | None
    created: int
    updated: int
    parent: str | None
    continued: bool

    COLUMNS = "id, execution, name, version, status, input, output, custom_status, created, updated, parent, continued"

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Instance:
        instance = cls(*row)
        instance.status = Status(instance.status)
        instance.continued = bool(instance.continued)
        return instance

    @property
    def parent_record(self) -> dict[str, Any] | None:
        return None if self.parent is None else jsontext.read_record(self.parent)

    @property
    def parent_id(self) -> str | None:
        record = self.parent_record
        return None if record is None else record["OrchestrationInstance"]["InstanceId"]


@dataclass(frozen=True)
class Message:
    """An event on its way to an instance; with an `execution`, to that execution only."""

    id: int
    execution: str | None
    event: str


@dataclass(frozen=True)
class Task:
    """An activity to run: `number` is the id of its TaskScheduled event."""

    id: int
    instance: str
    execution: str
    number: int
    name: str
    input: str | None


@dataclass(frozen=True)
class Start:
    """A new execution of an instance, to be created with its ExecutionStarted event."""

    instance: str
    execution: str
    name: str
    version: str | None
    input: str | None
    event: str
    parent: str | None = None


@dataclass(frozen=True)
class Head:
    """What shows whether an instance is still as it was."""

    id: str
    execution: str
    status: int
    updated: int

    def matches(self, instance: Instance) -> bool:
        return (
            instance.updated == self.updated and instance.execution == self.execution and instance.status == self.status
        )


@dataclass
class TurnRecord:
    """All that one turn of an orchestration writes."""

    instance: Instance
    part: int
    events: str
    now: int
    tasks: list[Task] = field(default_factory=list)
    timers: list[tuple[int, int]] = field(default_factory=list)
    starts: list[tuple[int, Start]] = field(default_factory=list)
    messages: list[tuple[str, str | None, str]] = field(default_factory=list)
    renewed: bool = False
    """The execution continued as new: what was there before goes."""
    of_execution: str = ""
    """The execution that the turn began with: all is dropped if that is gone by the time it is written."""


@dataclass(frozen=True)
class EntityRecord:
    """What one batch of an entity writes; without a state the entity is gone."""

    id: str
    state: str | None
    now: int
    replies: list[tuple[str, str | None, str]]


@dataclass
class Batch:
    """What several turns write in one transaction."""

    turns: list[TurnRecord] = field(default_factory=list)
    entities: list[EntityRecord] = field(default_factory=list)
    used_messages: list[int] = field(default_factory=list)
    finished_tasks: list[int] = field(default_factory=list)
    messages: list[tuple[str, str | None, str]] = field(default_factory=list)

    def add(self, other: Batch) -> None:
        self.turns += other.turns
        self.entities += other.entities
        self.used_messages += other.used_messages
        self.finished_tasks += other.finished_tasks
        self.messages += other.messages

    @property
    def is_empty(self) -> bool:
        return not (self.turns or self.entities or self.used_messages or self.finished_tasks or self.messages)


@dataclass(frozen=True)
class Entity:
    id: str
    state: str | None
    created: int
    updated: int

    @property
    def name(self) -> str:
        return self.id.split("@", 2)[1]

    @property
    def key(self) -> str:
        return self.id.split("@", 2)[2]
