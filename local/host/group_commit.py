"""Writes of requests that come at the same moment, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from local.host.database import Database, Run

Result = TypeVar("Result")


class GroupCommit:
    """Collects what the requests of one turn of the event loop write. Each is answered once all of it is on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Callable[[Run], Any], asyncio.Future[Any]]] = []

    async def run(self, write: Callable[[Run], Result]) -> Result:
        """Do a write; returns or raises what it does. A write that raises must have written nothing."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((write, done))
        return await done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            with self._database.transaction() as run:
                outcomes = [_outcome(write, run) for write, _ in waiting]
        except Exception as error:  # noqa: BLE001 - the commit itself failed: none of it is on disk
            outcomes = [(None, error)] * len(waiting)
        for (_, done), (result, problem) in zip(waiting, outcomes, strict=True):
            if done.cancelled():
                continue
            if problem is None:
                done.set_result(result)
            else:
                done.set_exception(problem)


def _outcome(write: Callable[[Run], Any], run: Run) -> tuple[Any, Exception | None]:
    try:
        return write(run), None
    except Exception as error:  # noqa: BLE001 - the caller's to handle
        return None, error
