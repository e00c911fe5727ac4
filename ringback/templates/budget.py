"""Bounds of one rendering: steps, characters and time, so that no template or data can hold up the process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ringback.errors import RequestError, TooLargeError

MAX_STEPS = 20_000
MAX_CHARACTERS = 80 * 1024
MAX_SECONDS = 2.0
MAX_BITS = 256


class RenderError(RequestError):
    """The template cannot be rendered with this data."""


class Budget:
    """What one rendering may still use; spending more raises TooLargeError."""

    def __init__(self, steps: int = MAX_STEPS, seconds: float = MAX_SECONDS) -> None:
        self._steps = steps
        self._characters = MAX_CHARACTERS
        # Of this thread's processor time: a machine that is busy with others must not fail a message.
        self._end = time.thread_time() + seconds

    def spend(self, steps: int = 1) -> None:
        """Take off so many turns of a loop, or parts of a card."""
        self._steps -= steps
        if self._steps < 0:
            raise TooLargeError(f"Rendering took more than {MAX_STEPS} steps: repeat less, or send less data.")
        self.look()

    def build(self, value: Any) -> None:
        """Take off what a list or object that was just made unfolds to, as far as there are others in it.

        A variable put twice into a list, forty times over, costs no memory; comparing two of those never ends.
        """
        for part in _inside(value):
            if isinstance(part, CONTAINERS):
                for _ in unfolded(part):
                    self.spend()

    def write(self, value: Any) -> None:
        """Take off the characters of a part of a card."""
        for part in unfolded(value):
            self._characters -= 1 + (len(part) if isinstance(part, str) else 0)
            if self._characters < 0:
                raise TooLargeError(f"The card has grown over {MAX_CHARACTERS} characters.")

    def look(self) -> None:
        """Take off nothing but the time that went by."""
        if time.thread_time() > self._end:
            raise TooLargeError(f"Rendering took more than {MAX_SECONDS:g} s of computing: make the template simpler.")


CONTAINERS = (list, tuple, dict)


def unfolded(value: Any) -> Iterator[Any]:
    """The value and everything in it, the names of properties too; once for each place where it stands."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, CONTAINERS):
            waiting.extend(_inside(part))
            waiting.extend(part if isinstance(part, dict) else ())


def _inside(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value)


def kept_small(value: Any) -> Any:
    """The value, unless it is a string or number that has grown past what a message can hold."""
    if isinstance(value, (str, list, tuple)):
        check_length(len(value))
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise TooLargeError(f"A number has grown over {MAX_BITS} bits.")
    return value


def check_length(length: int) -> None:
    """Refuse a string, or a list, before it is built."""
    if length > MAX_CHARACTERS:
        raise TooLargeError(f"A value has grown over {MAX_CHARACTERS} characters.")
