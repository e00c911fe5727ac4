"""What a long operation is, and what its generator may ask of the orchestration that runs it.

An operation is a generator function over `Op`. It runs inside an orchestrator, so it obeys the orchestrator's rules: no
I/O, no clock but `op.now`, no randomness, only `yield from`. All work is done by the activities that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

# Durable tasks go out, their results come in.
Steps = Generator[Any, Any, Any]

CANCEL_EVENT = "cancel"


class OperationCancelledError(Exception):
    """The user, or an operator, cancelled the operation."""


class OperationFailedError(Exception):
    """The operation cannot succeed; `reason` is shown to the user as it stands, `detail` only to developers."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason if detail is None else f"{reason} ({detail})")
        self.reason = reason


class Retry(msgspec.Struct, frozen=True):
    """How often an activity is tried, and how long the engine waits between two tries."""

    first_interval: timedelta = timedelta(seconds=2)
    attempts: int = 4


class Span(msgspec.Struct, frozen=True):
    """The part of the progress bar that a fan-out fills: percent at its start and end, and the text beside it."""

    start: int
    end: int
    text: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation brings home: text for every channel, a card for those that show one, data for other systems."""

    text: str
    card: dict[str, Any] | None = None
    data: Any = None


class Decision(msgspec.Struct, frozen=True):
    """The outcome of `op.approval`: approved, rejected or timed_out, and who decided."""

    outcome: str
    by: str | None = None


class Op(Protocol):
    """The hands of an operation."""

    @property
    def id(self) -> str:
        """The operation's id, which is its orchestration's instance id."""

    @property
    def input(self) -> dict[str, Any]:
        """What the operation was started with."""

    @property
    def now(self) -> datetime:
        """The orchestration's replay-safe clock: aware, UTC."""

    def progress(self, percent: int, text: str) -> None:
        """Show how far the operation is: 0 to 100, and a few words."""

    def step(self, activity: str, payload: dict[str, Any] | None = None, *, retry: Retry = ...) -> Steps:
        """Run one activity and return its result.

        The activity receives `payload` with the operation's id added as "operation_id".

        Raises OperationCancelledError when it was cancelled meanwhile, OperationFailedError when the activity reports a
        permanent failure or its last try failed.
        """

    def fan_out(
        self,
        activity: str,
        payloads: Sequence[dict[str, Any]],
        *,
        width: int = ...,
        retry: Retry = ...,
        span: Span | None = None,
    ) -> Steps:
        """Run one activity over many payloads, `width` at a time, and return the results in order."""

    def cleanup(self, activity: str, payload: dict[str, Any] | None = None) -> Steps:
        """Run one activity whatever became of the operation; its failure changes nothing."""

    def approval(self, question: str, *, timeout: timedelta) -> Steps:
        """Ask the user with buttons and return a Decision."""

    def external(self, name: str, *, timeout: timedelta) -> Steps:
        """Wait for another system's answer, raised as event `name`, and return its result.

        Progress that arrives under the same name is shown and waited past.

        Raises OperationFailedError when the answer is an error, or when none comes in time.
        """


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the catalogue.

    `activities` are the names that the generator calls: a name that is not registered would hang the instance for ever,
    so a test holds this list against the app.
    """

    name: str
    title: str
    description: str
    run: Callable[[Op], Steps]
    activities: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    takes_file: bool = False
    deadline: timedelta = timedelta(hours=24)


class Status(msgspec.Struct, frozen=True):
    """The orchestration's custom status: state is running, waiting, cancelling, cancelled, failed or succeeded."""

    operation: str
    state: str
    percent: int
    step: str
    text: str


class OperationStart(msgspec.Struct, frozen=True, kw_only=True):
    """The input of the `long_operation` orchestration; user and conversation are keys, never addresses.

    `editable`: the channel can change a message that was sent, so the first answer is kept up to date.
    """

    operation: str
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    user: str | None = None
    conversation: str | None = None
    editable: bool = False
