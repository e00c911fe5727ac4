"""What goes wrong for a reason that the developer can change."""

from __future__ import annotations


class DevError(Exception):
    """The command cannot go on; the message says what to do. `code` is the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code
