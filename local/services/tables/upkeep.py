"""What no request should have to wait for: checkpoints, and deleting what deleted tables left."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from types import TracebackType

from local.services.tables.readers import Readers
from local.services.tables.store import Store

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 1.0


class Upkeep:
    """A task that looks after the file while there are writes."""

    def __init__(self, store: Store, readers: Readers) -> None:
        self._store = store
        self._readers = readers
        self._written = True
        self._task: asyncio.Task[None] | None = None

    def note_write(self) -> None:
        self._written = True

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            if not self._written:
                continue
            self._written = False
            try:
                await self._tidy()
            except sqlite3.Error:
                # A full disk, mostly: requests tell of it too, and the next round tries again.
                logger.exception("The state file could not be tidied")
                self._written = True

    async def _tidy(self) -> None:
        while self._store.purge():  # noqa: ASYNC110 lets requests in between
            await asyncio.sleep(0)
        await self._readers.checkpoint()
        self._store.trim_log()
