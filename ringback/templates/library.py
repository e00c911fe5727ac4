"""The templates of the app: those stored in the table, and those that come with it, prepared and cached.

What a process has read it keeps for CACHE_SECONDS: that long may a template that was changed elsewhere still be used.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from ringback import ids
from ringback.errors import ConflictError, NotFoundError, PreconditionError, RetryableError
from ringback.tables.service import Tables
from ringback.tables.templates import TemplateRow, TemplateTable
from ringback.templates.builtin import builtin_templates
from ringback.templates.checking import Checked, check_template
from ringback.templates.model import CHAT, NAME, Template, parse_template
from ringback.templates.rendering import Rendered, Renderer

CACHE_SECONDS = 15.0
CACHE_SIZE = 200
TRIES = 5


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A template with its state; `version` counts from 1 with each change, and is 0 for one that comes with the app."""

    template: Template
    version: int
    etag: str
    updated_at: datetime | None = None

    @property
    def is_builtin(self) -> bool:
        """Whether it comes with the app."""
        return self.version == 0


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list."""

    name: str
    description: str
    version: int
    updated_at: datetime | None = None


class Cache:
    """Prepared templates by name, for a time, the least used thrown out first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Renderer | None]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Renderer | None]] = {}
        self.hits = 0
        self.misses = 0

    async def get(self, name: str, load: Callable[[], Any]) -> Renderer | None:
        """From here, or by `load`, which runs once however many ask at a time."""
        expires, found = self._kept.get(name, (0.0, None))
        if expires > self._clock():
            self.hits += 1
            self._kept.move_to_end(name)
            return found
        self.misses += 1
        if name not in self._loading:
            task = self._loading[name] = asyncio.ensure_future(load())
            task.add_done_callback(lambda done: self._loaded(name, done))
        return await asyncio.shield(self._loading[name])

    def forget(self, name: str) -> None:
        """What is read next comes from the table."""
        self._kept.pop(name, None)
        self._loading.pop(name, None)

    def _loaded(self, name: str, done: asyncio.Task[Renderer | None]) -> None:
        # A template that was forgotten while it was read may have been read too early.
        if self._loading.get(name) is not done:
            return
        del self._loading[name]
        if not done.cancelled() and done.exception() is None:
            self._kept[name] = (self._clock() + CACHE_SECONDS, done.result())
            while len(self._kept) > CACHE_SIZE:
                self._kept.popitem(last=False)


_caches: WeakKeyDictionary[Tables, Cache] = WeakKeyDictionary()


class Templates:
    """Templates over a table; cheap to make, the cache is the tables'."""

    def __init__(self, tables: Tables, cache: Cache | None = None) -> None:
        self._table = TemplateTable(tables)
        self._cache = cache or _caches.setdefault(tables, Cache())

    async def render(
        self, name: str, data: Mapping[str, Any], *, locale: str | None = None, channel: str = CHAT
    ) -> Rendered:
        """A message for a kind of channel (chat, sms, email) in the locale, or what comes nearest to it.

        NotFoundError for an unknown template, RequestError naming `data.…` for data that does not fit the schema,
        TooLargeError past a channel's limit. All of them are permanent: trying again changes nothing.
        """
        renderer = await self._cache.get(name, lambda: self._load(name))
        if renderer is None:
            raise _unknown(name)
        return renderer.render(dict(data), locale, channel)

    async def get(self, name: str) -> Stored:
        """The template as it is now in the table; NotFoundError when there is none."""
        found = await self._find(name)
        if found is None:
            raise _unknown(name)
        return found

    async def listed(self) -> list[Listed]:
        """All templates by name, one of the app's only where none is stored in its place."""
        found = {
            template.name: Listed(name=template.name, description=template.description, version=0)
            for template in builtin_templates().values()
        }
        async for row in self._table.listed():
            found[row.name] = Listed(
                name=row.name, description=row.description, version=row.version, updated_at=row.updated_at
            )
        return [found[name] for name in sorted(found)]

    async def put(
        self, name: str, body: bytes, *, if_match: str | None = None, if_none_match: str | None = None
    ) -> tuple[Stored, bool, Checked]:
        """Check and store a template: (its new state, whether it was created, what the check found).

        RequestError naming the field at fault; PreconditionError when `if_match` is not the present ETag, or
        `if_none_match` is. Storing the same again changes nothing.
        """
        template = parse_template(name, body)
        checked = await asyncio.to_thread(check_template, template)
        encoded = _encoded(template)
        for _ in range(TRIES):
            row = await self._table.get(name)
            present = _stored(row) if row is not None else _builtin(name)
            _check_preconditions(present, if_match, if_none_match)
            if row is not None and row.body == encoded:
                return _stored(row), False, checked
            new = TemplateRow(
                name=name,
                body=encoded,
                version=row.version + 1 if row is not None else 1,
                updated_at=datetime.now(timezone.utc),
                description=template.description,
                row_etag=row.row_etag if row is not None else "",
            )
            if await self._table.write(new):
                self._cache.forget(name)
                return _stored(new), row is None, checked
        raise RetryableError(f"Others keep changing the template {name!r}. Try again.")

    async def delete(self, name: str, *, if_match: str | None = None) -> None:
        """Remove a stored template; one of the app's of the same name comes back. ConflictError for one of those."""
        for _ in range(TRIES):
            row = await self._table.get(name) if NAME.fullmatch(name) else None
            if row is None:
                if name in builtin_templates():
                    raise ConflictError(f"{name!r} comes with the app: store one of that name to replace it.")
                raise _unknown(name)
            _check_preconditions(_stored(row), if_match, None)
            if await self._table.remove(row):
                self._cache.forget(name)
                return
        raise RetryableError(f"Others keep changing the template {name!r}. Try again.")

    async def _load(self, name: str) -> Renderer | None:
        found = await self._find(name)
        return Renderer(found.template) if found is not None else None

    async def _find(self, name: str) -> Stored | None:
        if not NAME.fullmatch(name):
            return None
        row = await self._table.get(name)
        return _stored(row) if row is not None else _builtin(name)


def _encoded(template: Template) -> bytes:
    return msgspec.json.encode(template)


def _stored(row: TemplateRow) -> Stored:
    template = msgspec.json.decode(row.body, type=Template)
    etag = f'"{row.version}-{ids.digest(row.body.decode(), length=12)}"'
    return Stored(template=template, version=row.version, etag=etag, updated_at=row.updated_at)


def _builtin(name: str) -> Stored | None:
    template = builtin_templates().get(name)
    if template is None:
        return None
    return Stored(template=template, version=0, etag=f'"0-{ids.digest(_encoded(template).decode(), length=12)}"')


def _check_preconditions(present: Stored | None, if_match: str | None, if_none_match: str | None) -> None:
    """RFC 9110 section 13; one of the app's templates counts as there for If-Match, and as absent for If-None-Match."""
    if if_match is not None:
        wanted = [tag.strip() for tag in if_match.split(",")]
        if present is None or ("*" not in wanted and present.etag not in wanted):
            now = f"its ETag is {present.etag} now" if present else "there is none of that name"
            raise PreconditionError(f"The template was changed meanwhile: {now}. Read it again.", field="If-Match")
    if if_none_match is not None and present is not None and not present.is_builtin:
        refused = [tag.strip() for tag in if_none_match.split(",")]
        if "*" in refused or present.etag in refused:
            message = f"There is a template of that name already, with ETag {present.etag}."
            raise PreconditionError(message, field="If-None-Match")


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"There is no template {name!r}: GET /api/templates lists them.", field="template")
