"""The virtual environment in `.venv`: made, filled and entered."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.dev.errors import DevError
from local.dev.installing import install
from local.dev.paths import DEV_REQUIREMENTS, ROOT, RUN_REQUIREMENTS, STATE, VENV, VENV_PYTHON

_STAMP = VENV / ".installed.json"
_PROBE = "import sys, pip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))"


def enter(requirements: Path, arguments: list[str]) -> None:
    """Go on as the Python of `.venv`, with `requirements` installed; keeps the process id. Raises DevError."""
    if not is_installed(requirements):
        with _one_at_a_time():
            if not is_installed(requirements):
                _make()
                install(VENV_PYTHON, requirements)
                _note(requirements)
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(VENV_PYTHON, [str(VENV_PYTHON), str(ROOT / "dev.py"), *arguments])  # noqa: S606 no shell is wanted


def is_installed(requirements: Path) -> bool:
    """Whether the virtual environment holds what these requirements say now."""
    if not VENV_PYTHON.exists():
        return False
    return _noted().get(requirements.name) == fingerprint(requirements)


def fingerprint(requirements: Path) -> str:
    """A hash of a requirements file and of those that it includes."""
    digest = hashlib.sha256()
    for file in _with_included(requirements):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _with_included(requirements: Path) -> list[Path]:
    return [RUN_REQUIREMENTS, requirements] if requirements == DEV_REQUIREMENTS else [requirements]


def _note(requirements: Path) -> None:
    new = {file.name: fingerprint(file) for file in _with_included(requirements)}
    _STAMP.write_text(json.dumps({**_noted(), **new}), "utf-8")


def _noted() -> dict[str, Any]:
    try:
        noted = json.loads(_STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    STATE.mkdir(exist_ok=True)
    with (STATE / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another dev.py is installing; waiting for it …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make() -> None:
    """Make the environment unless a usable one is there."""
    if _is_usable():
        return
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise DevError(no_venv_message(missing))
    print(f"Making the virtual environment {VENV} …", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        said = (done.stdout + done.stderr).strip()
        raise DevError(f"The virtual environment could not be made:\n{said}\n{no_venv_message(['venv'])}")


def _is_usable() -> bool:
    """Whether the environment's Python runs, is of a supported version and has pip."""
    if not VENV_PYTHON.exists():
        return False
    return subprocess.run([VENV_PYTHON, "-c", _PROBE], capture_output=True, check=False).returncode == 0


def no_venv_message(missing: list[str]) -> str:
    version = "{}.{}".format(*sys.version_info[:2])
    return (
        f"This Python ({sys.executable}) lacks {' and '.join(missing)}, which make virtual environments. "
        f"On Debian or Ubuntu: apt install python{version}-venv"
    )
