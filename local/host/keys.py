"""The host's keys: master, system, function and host keys, kept in the state folder; asked for with --enable-auth."""

from __future__ import annotations

import hmac
import json
import secrets
from enum import Enum
from typing import Any

from aiohttp import web

from local.host.database import Database

DURABLE_SYSTEM_KEY = "durabletask_extension"
EVENT_GRID_SYSTEM_KEY = "eventgrid_extension"


class Level(Enum):
    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    SYSTEM = "system"
    ADMIN = "admin"


class Keys:
    """Made on first use, so that a URL handed out keeps working after a restart."""

    def __init__(self, database: Database, *, enforced: bool) -> None:
        self.enforced = enforced
        self._database = database
        rows = database.rows("SELECT value FROM meta WHERE key = 'keys'")
        self._keys: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        for name in ("master", "host:default", f"system:{DURABLE_SYSTEM_KEY}", f"system:{EVENT_GRID_SYSTEM_KEY}"):
            self._ensure(name)

    @property
    def master(self) -> str:
        return str(self._keys["master"])

    @property
    def durable(self) -> str:
        return str(self._keys[f"system:{DURABLE_SYSTEM_KEY}"])

    @property
    def event_grid(self) -> str:
        return str(self._keys[f"system:{EVENT_GRID_SYSTEM_KEY}"])

    @property
    def host(self) -> str:
        return str(self._keys["host:default"])

    def of_function(self, name: str) -> str:
        return self._ensure(f"function:{name.lower()}")

    def allows(self, request: web.Request, level: Level, *accepted: str) -> bool:
        """May this request pass? `accepted` are the keys of that level; the master key opens everything."""
        if not self.enforced or level is Level.ANONYMOUS:
            return True
        given = request.headers.get("x-functions-key") or _query_code(request)
        return given is not None and any(_same(given, key) for key in (self.master, *accepted))

    def _ensure(self, name: str) -> str:
        if name not in self._keys:
            self._keys[name] = secrets.token_urlsafe(40)
            with self._database.transaction() as run:
                run("REPLACE INTO meta VALUES ('keys', ?)", (json.dumps(self._keys),))
        return str(self._keys[name])


def _query_code(request: web.Request) -> str | None:
    return next((value for key, value in request.query.items() if key.lower() == "code"), None)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
