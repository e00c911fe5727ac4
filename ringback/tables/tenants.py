"""By which service URL Teams speaks for a tenant: as the channel itself last said."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from azure.core.exceptions import ResourceNotFoundError

from ringback import ids
from ringback.channels.teams import TEAMS
from ringback.delivery.reference import Reference
from ringback.tables.cache import TtlCache
from ringback.tables.service import REFERENCES, Tables

ROW = "service-url"
# Every message of a tenant says the same: it is written once in this time by each process.
CACHE_SECONDS = 3600.0
CACHE_SIZE = 1_000
_caches: WeakKeyDictionary[Tables, TtlCache[str, str]] = WeakKeyDictionary()


class TenantTable:
    """One row a tenant, among the references: PartitionKey the tenant's digest."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cache = _caches.setdefault(tables, TtlCache(CACHE_SECONDS, CACHE_SIZE))

    async def heard(self, reference: Reference) -> None:
        """Note where a message came from, if it came from Teams; its service URL was checked."""
        if reference.channel_id != TEAMS or not reference.tenant_id:
            return
        key = _key(reference.tenant_id)
        if self._cache.get(key) == reference.service_url:
            return
        table = await self._tables.get(REFERENCES)
        await table.upsert_entity({"PartitionKey": key, "RowKey": ROW, "ServiceUrl": reference.service_url})
        self._cache.put(key, reference.service_url)

    async def service_url(self, tenant_id: str) -> str | None:
        """Where this tenant was heard last, or None."""
        table = await self._tables.get(REFERENCES)
        try:
            entity = await table.get_entity(_key(tenant_id), ROW)
        except ResourceNotFoundError:
            return None
        return str(entity["ServiceUrl"])


def _key(tenant_id: str) -> str:
    return ids.digest("tenant", tenant_id.strip().lower())
