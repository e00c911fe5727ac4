"""The host's lines on standard output, in the form that `func start` prints them."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sys
import threading
from typing import TextIO

LINES_HELD = 2000
QUIET = ("azure", "aiohttp.access", "asyncio", "urllib3", "msal")


class Log:
    """Lines with a timestamp. They are collected, and written by `flush`: thousands of functions may run a second, and
    every write lets another thread in.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self.verbose = verbose

    def line(self, text: str) -> None:
        at = dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds")[:-6]
        self._lines.append(f"[{at}Z] {text}\n")
        if len(self._lines) > LINES_HELD:
            self.flush()

    def problem(self, text: str) -> None:
        self.line(f"ERROR: {text}")
        self.flush()

    def warning(self, text: str) -> None:
        self.line(f"WARNING: {text}")

    def detail(self, text: str) -> None:
        if self.verbose:
            self.line(text)

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            text = "".join(lines)
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    self._stream.write(text.encode("ascii", "backslashreplace").decode())
                # Also for what the app prints.
                self._stream.flush()

    # -- functions

    def executing(self, function: str, invocation: str, reason: str) -> None:
        if self.verbose:
            self.line(f"Executing 'Functions.{function}' (Reason='{reason}', Id={invocation})")

    def executed(self, function: str, invocation: str, seconds: float, error: str | None = None) -> None:
        outcome = "Succeeded" if error is None else "Failed"
        self.line(f"Executed 'Functions.{function}' ({outcome}, Id={invocation}, Duration={seconds * 1000:.0f}ms)")
        if error is not None:
            self.line(error.rstrip())
            self.flush()


class UserLogHandler(logging.Handler):
    """What the app logs, beside the host's own lines."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a bad format in the app's call must not end the function
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        prefix = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        self._log.line(prefix + text)


def capture_user_logging(log: Log) -> None:
    root = logging.getLogger()
    root.handlers[:] = [UserLogHandler(log)]
    root.setLevel(logging.DEBUG if log.verbose else logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
