"""One-shot results whose waiters go on at once, synchronously, while history is walked.

DurableTask.Core runs an orchestration's continuations inside the walk over its history: that is what makes ids come out
the same on every replay. asyncio defers continuations to its loop, so this is a driver of its own, without a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any


class Wait:
    """A result to come; awaiting it inside a coroutine that `run` drives suspends until `resolve` or `fail`."""

    __slots__ = ("_then", "done", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None
        self._then: list[Callable[[], None]] = []

    def resolve(self, value: Any = None) -> None:
        self.value = value
        self._finish()

    def fail(self, error: Exception) -> None:
        self.error = error
        self._finish()

    def then(self, callback: Callable[[], None]) -> None:
        """Call back when done, or now."""
        if self.done:
            callback()
        else:
            self._then.append(callback)

    def _finish(self) -> None:
        self.done = True
        callbacks, self._then = self._then, []
        for callback in callbacks:
            callback()

    def __await__(self) -> Generator[Wait, None, Any]:
        if not self.done:
            yield self
        if self.error is not None:
            raise self.error
        return self.value


def resolved(value: Any = None) -> Wait:
    wait = Wait()
    wait.resolve(value)
    return wait


def failed(error: Exception) -> Wait:
    wait = Wait()
    wait.fail(error)
    return wait


def all_of(waits: Sequence[Wait]) -> Wait:
    """Done when all are, however they ended."""
    outcome = Wait()
    left = len(waits)

    def one_done() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            outcome.resolve()

    if not waits:
        outcome.resolve()
    for wait in waits:
        wait.then(one_done)
    return outcome


def any_of(waits: Sequence[Wait]) -> Wait:
    """Done when the first is, however it ended."""
    outcome = Wait()

    def one_done() -> None:
        if not outcome.done:
            outcome.resolve()

    for wait in waits:
        wait.then(one_done)
    return outcome


def run(coroutine: Coroutine[Wait, None, Any]) -> Wait:
    """Drive a coroutine as far as it can go; it goes on whenever what it waits for is done."""
    outcome = Wait()

    def go_on() -> None:
        try:
            pending = coroutine.send(None)
        except StopIteration as stop:
            outcome.resolve(stop.value)
        except Exception as error:  # noqa: BLE001 - any failure is the outcome
            outcome.fail(error)
        else:
            pending.then(go_on)

    go_on()
    return outcome
