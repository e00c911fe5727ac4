"""Queries in threads of their own, so that a long one does not keep other requests waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

from local.services.tables.store import Page, Query, Store, read_page

_THREADS = 2


class Readers:
    """A few threads, each with its own connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="tables-reader")
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def page(self, query: Query) -> Page:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    async def checkpoint(self) -> None:
        """Copy what was committed from the log into the file, as far as no other reader needs the log."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._checkpoint)

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    def _read(self, query: Query) -> Page:
        return read_page(self._connection(), query)

    def _checkpoint(self) -> None:
        self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = self._store.connect()
            self._connections.append(self._of_thread.connection)
        connection: sqlite3.Connection = self._of_thread.connection
        return connection
