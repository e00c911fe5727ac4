"""One host per state folder: a lock that the kernel drops when its holder ends, kill -9 included."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from local.host.database import StateError


def lock(folder: Path) -> IO[str]:
    """Hold the folder until the returned file is closed. Raises StateError while another process holds it, or if it
    cannot be used.
    """
    try:
        return _held(folder)
    except OSError as error:
        raise unusable(folder, "host.lock", error) from error


def unusable(folder: Path, name: str, error: OSError) -> StateError:
    """What to say of a state folder in which this file cannot be written."""
    return StateError(
        f"the state folder {folder} cannot be used ({error.strerror}: {error.filename or name}). Make it a "
        f"folder that this process may write to, or give another one with --state."
    )


def _held(folder: Path) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "host.lock").open("a+", encoding="utf-8", errors="replace")
    try:
        _take(file, folder)
    except BaseException:
        file.close()
        raise
    return file


def _take(file: IO[str], folder: Path) -> None:
    if not _try_lock(file):
        file.seek(0)
        holder = file.read().strip() or "unknown"
        raise StateError(
            f"the state folder {folder} is in use by another host (process {holder}). End it, or give this one "
            f"another folder with --state."
        )
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()


if os.name == "nt":
    import msvcrt

    def _try_lock(file: IO[str]) -> bool:
        # Locked far behind the process id, which others may then still read.
        file.seek(1 << 20)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
