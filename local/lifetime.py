"""A child process ends when the pipe from its parent closes, so that a killed parent leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Send this process SIGTERM when its standard input closes.

    For a program started with `--end-with-parent` and a pipe as standard input: the kernel closes the pipe however the
    parent ends, kill -9 included. Nothing is ever written to the pipe.
    """
    threading.Thread(target=_wait_for_end_of_file, name="end-with-parent", daemon=True).start()


def _wait_for_end_of_file() -> None:
    # Not sys.stdin: a thread inside its lock makes the interpreter abort when it ends for another reason.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
