"""Lines on the terminal, each with the name of the program that wrote it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLOURS = {"tables": 34, "channel": 35, "host": 36, "webchat": 33}
_WIDTH = max(map(len, _COLOURS))


class Console:
    """Standard output of the stack; colours only on a terminal and unless NO_COLOR is set."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._heard = True
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        """A line that one of the programs wrote."""
        mark = f"{name:<{_WIDTH}} |"
        if self._coloured:
            mark = f"\033[{_COLOURS.get(name, 37)}m{mark}\033[0m"
        self._write(f"{mark} {text}")

    def say(self, text: str) -> None:
        """A line of dev.py's own."""
        bold = self._coloured and text and not text.startswith(" ")
        self._write(f"\033[1m{text}\033[0m" if bold else text)

    def _write(self, text: str) -> None:
        if not self._heard:
            return
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode() + "\n")
            self._stream.flush()
        except OSError:
            # Nobody reads any more (`dev.py up | head`, a closed terminal): the stack goes on without words.
            self._heard = False
