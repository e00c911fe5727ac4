"""One stack for each state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from local.dev.errors import DevError


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it however this process ends. Raises DevError when another holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
    except OSError as error:
        raise DevError(
            f"The state folder {folder} cannot be written ({error.strerror}): choose another with --state."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise DevError(
                f"Another `dev.py up` (process {holder}) uses the state folder {folder}: end it, or choose another"
                " folder with --state."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
