"""Bounds of one rendering: steps, characters and time, so that no template or data can hold up the process."""

from __future__ import annotations

import time
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
        # Of this thread's processor time: a machine that is busy with others must not fail a message.
        self._end = time.thread_time() + seconds

    def spend(self, steps: int = 1) -> None:
        """Take off so many turns of a loop, or parts of a card."""
        self._steps -= steps
        if self._steps < 0:
            raise TooLargeError(f"Rendering took more than {MAX_STEPS} steps: repeat less, or send less data.")
        self.look()

    def look(self) -> None:
        """Take off nothing but the time that went by."""
        if time.thread_time() > self._end:
            raise TooLargeError(f"Rendering took more than {MAX_SECONDS:g} s of computing: make the template simpler.")


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
