"""`--reload`: watches the app's files, and loads the app again when one has changed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from local.host import app_loader
from local.host.app_loader import AppLoadError
from local.host.functions import Registry
from local.host.log import Log

LOOK_SECONDS = 0.5
SKIPPED = {".git", ".venv", "venv", "env", ".local", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache"}
NEEDS_RESTART = {"host.json", "local.settings.json"}


class Reloader:
    def __init__(self, app: Path, log: Log, replace: Callable[[Registry], Awaitable[None]]) -> None:
        self._app = app
        self._log = log
        self._replace = replace
        self._seen = snapshot(app)

    async def watch(self) -> None:
        """For ever: look for changes; load and replace the app's functions upon one."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = await asyncio.get_running_loop().run_in_executor(None, snapshot, self._app)
            changed = sorted(p for p in now.keys() | self._seen.keys() if now.get(p) != self._seen.get(p))
            self._seen = now
            if changed:
                await self._changed(changed)

    async def _changed(self, changed: list[Path]) -> None:
        names = ", ".join(str(path.relative_to(self._app)) for path in changed[:5])
        if all(path.name in NEEDS_RESTART for path in changed):
            self._log.warning(f"{names} changed: start the host again for it to count")
            return
        # When the host was told to end in the meantime, this task is cancelled here, before it loads anything.
        await asyncio.sleep(0)
        self._log.line(f"{names} changed: loading the app again")
        forget_modules(self._app)
        try:
            await self._replace(app_loader.load(self._app))
        except AppLoadError as error:
            self._log.problem(f"the app stays as it was before: {error}")
        except Exception as error:  # noqa: BLE001 - a bad route or schedule; the host goes on with what it has
            self._log.problem(f"the app was loaded, but not all of it can run: {error}")
        self._log.flush()


def snapshot(app: Path) -> dict[Path, int]:
    """The Python and settings files of an app, each with the time of its last change."""
    found = {}
    for path in _files(app):
        with contextlib.suppress(OSError):  # gone since it was listed, as files are that an editor writes
            found[path] = path.stat().st_mtime_ns
    return found


def _files(app: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(app):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in files:
            path = Path(folder) / name
            if name.endswith(".py") or name in NEEDS_RESTART:
                yield path


def forget_modules(app: Path) -> None:
    """Drop every module of the app, so that the next import reads its files."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and not name.startswith("local.host") and app_loader.is_app_module(module, app):
            del sys.modules[name]
