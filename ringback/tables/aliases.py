"""The names that people go by, and the one user key behind them.

Kinds of alias, as text: `<channelId>:<from.id>`, `aad:<tenant>:<object id>`, `external:<id>`. An alias belongs to the
first key it was given to and moves to no other, so two people are never merged: where two keys turn out to be one
person, both stay. A person whose channel tells their directory object only later keeps the key they began with, and
gets the new alias besides. A group is a person whose user id is the conversation's.
"""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

import msgspec
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from ringback import ids
from ringback.delivery.reference import Reference
from ringback.errors import RequestError
from ringback.tables.cache import TtlCache
from ringback.tables.references import ReferenceTable
from ringback.tables.service import ALIASES, Tables
from ringback.tables.users import UserTable

USER_KEY = re.compile(r"[a-z2-7]{32}")
FORWARD = "alias"
LONGEST_ID = 512
CACHE_SECONDS = 60.0
CACHE_SIZE = 10_000
_caches: WeakKeyDictionary[Tables, TtlCache[str, str]] = WeakKeyDictionary()


class Alias(msgspec.Struct, frozen=True):
    """One name: `kind` is channel, aad or external; `text` as it is written, `row` its PartitionKey."""

    kind: str
    text: str
    row: str


def channel_alias(channel_id: str, user_id: str) -> Alias:
    """Somebody on a channel, by the id that the channel gave them."""
    return Alias("channel", f"{channel_id}:{user_id}", ids.digest("alias", "channel", channel_id, user_id))


def directory_alias(tenant_id: str, object_id: str) -> Alias:
    """Somebody in a directory; GUIDs are the same in any case."""
    tenant, found = tenant_id.strip().lower(), object_id.strip().lower()
    return Alias("aad", f"aad:{tenant}:{found}", ids.digest("alias", "aad", tenant, found))


def external_alias(external_id: str) -> Alias:
    """Somebody in another system, by its own id."""
    return Alias("external", f"external:{external_id}", ids.digest("alias", "external", external_id))


def parse_alias(text: str) -> Alias | None:
    """The alias that is written like this, or None."""
    kind, colon, rest = text.partition(":")
    if not (colon and kind and rest) or len(text) > LONGEST_ID:
        return None
    if kind == "external":
        return external_alias(rest)
    if kind == "aad":
        tenant, _, found = rest.partition(":")
        return directory_alias(tenant, found) if tenant.strip() and found.strip() else None
    return channel_alias(kind, rest)


class AliasTable:
    """PartitionKey the alias's digest, RowKey `alias`, User the key; and for each user a list of theirs.

    The list is written first: what stands in the table can always be found again to be erased.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cache = _caches.setdefault(tables, TtlCache(CACHE_SECONDS, CACHE_SIZE))

    async def find(self, alias: Alias) -> str | None:
        """The key behind an alias as the table has it now, or None."""
        table = await self._tables.get(ALIASES)
        try:
            entity = await table.get_entity(alias.row, FORWARD)
        except ResourceNotFoundError:
            return None
        return str(entity["User"])

    async def claim(self, alias: Alias, user: str) -> str:
        """Give an alias to a user unless it is somebody's already; whose it is now."""
        table = await self._tables.get(ALIASES)
        await table.upsert_entity({"PartitionKey": user, "RowKey": alias.row, "Alias": alias.text})
        try:
            await table.create_entity({"PartitionKey": alias.row, "RowKey": FORWARD, "User": user, "Alias": alias.text})
        except ResourceExistsError:
            holder = await self.find(alias)
            if holder == user:
                return user
            await table.delete_entity(user, alias.row)
            return holder or await self.claim(alias, user)
        return user

    async def of(self, user: str) -> list[str]:
        """Every alias of a user, as text."""
        table = await self._tables.get(ALIASES)
        rows = table.query_entities("PartitionKey eq @user", parameters={"user": user})
        return sorted([entity["Alias"] async for entity in rows])

    async def erase(self, user: str) -> None:
        """Take every alias from a user."""
        table = await self._tables.get(ALIASES)
        async for entity in table.query_entities("PartitionKey eq @user", parameters={"user": user}):
            alias = Alias("", entity["Alias"], entity["RowKey"])
            if await self.find(alias) == user:
                await table.delete_entity(alias.row, FORWARD)
            await table.delete_entity(user, alias.row)
        self._cache.drop(lambda _, holder: holder == user)

    def recall(self, reference: Reference) -> str | None:
        """Whose reference this process saw this to be in the last minute, or None."""
        return self._cache.get(_name(reference))

    async def holder(self, reference: Reference) -> str | None:
        """The key of somebody who was heard before or registered by their directory object, or None; enters nothing."""
        known = self.recall(reference) or await self.find(channel_alias(reference.channel_id, reference.user_id))
        directory = _directory(reference)
        return known or (await self.find(directory) if directory else None)

    async def owner(self, reference: Reference) -> str:
        """The user key of somebody who is heard; their aliases are entered on the way."""
        channel = channel_alias(reference.channel_id, reference.user_id)
        directory = _directory(reference)
        user = await self.find(channel)
        if user is None:
            known = await self.find(directory) if directory else None
            user = await self.claim(channel, known or reference.user_key)
        if directory is not None:
            await self.claim(directory, user)
        self._cache.put(_name(reference), user)
        return user


async def resolve_directory(tables: Tables, tenant_id: str, object_id: str) -> str | None:
    """The user key of somebody in a directory, or None when nobody is known by that."""
    found = await AliasTable(tables).find(directory_alias(tenant_id, object_id))
    return found or await _known(tables, ids.user_key("", "", tenant_id, object_id))


async def resolve_external(tables: Tables, external_id: str) -> str | None:
    """The user key of somebody by another system's id, or None when nobody is known by that."""
    return await AliasTable(tables).find(external_alias(external_id))


async def resolve_id(tables: Tables, text: str, field: str = "id") -> str | None:
    """The user key that a key or an alias stands for, also of who was erased; None when nobody is known by it."""
    if USER_KEY.fullmatch(text):
        return text if await UserTable(tables).get(text) is not None else await _known(tables, text)
    alias = parse_alias(text)
    if alias is None:
        message = (
            f"{text[:60]!r} is no user: give a user key, <channelId>:<from.id>, aad:<tenant>:<id> or external:<id>."
        )
        raise RequestError(message, field=field)
    kind, _, rest = text.partition(":")
    if alias.kind == "aad":
        return await resolve_directory(tables, *rest.split(":", 1))
    found = await AliasTable(tables).find(alias)
    if found is None and alias.kind == "channel":
        found = await _known(tables, ids.user_key(kind, rest))
    return found


async def _known(tables: Tables, key: str) -> str | None:
    """The key itself, of who was heard before there were aliases, or in the minute after being erased."""
    return key if await ReferenceTable(tables).latest(key) is not None else None


def _directory(reference: Reference) -> Alias | None:
    if not reference.tenant_id or not reference.user_aad_id:
        return None
    return directory_alias(reference.tenant_id, reference.user_aad_id)


def _name(reference: Reference) -> str:
    return ids.digest(reference.channel_id, reference.user_id, reference.tenant_id or "", reference.user_aad_id or "")
