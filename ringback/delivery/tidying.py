"""Forgetting the addresses that were replaced or taken away.

An entity is told its addresses and does it a moment later, and two systems may register one person at once: which of
their addresses stands is known only after. So a row goes only when it is not in use and nobody has written it lately;
what is too young for that, the recovery timer comes back for.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta, timezone

from ringback.delivery.people import UserEntities
from ringback.tables.addresses import AddressTable
from ringback.tables.errands import Errand, ErrandTable
from ringback.tables.service import Tables

# A door that registers an address has told the entity by then, and the entity has done it, also behind a long queue or
# a host that had to start again: what goes too early is lost, what goes late is only not used.
SETTLED = timedelta(hours=1)


async def tidy_addresses(tables: Tables, errand: Errand, used: Collection[str]) -> None:
    """Forget what is not in use; the errand stays while something of it is young."""
    if await AddressTable(tables).tidy(errand.user, used, datetime.now(timezone.utc) - SETTLED):
        await ErrandTable(tables).done(errand)


async def continue_tidying(tables: Tables, entities: UserEntities, errand: Errand) -> None:
    """The same by what the person's entity knows now."""
    state = await entities.read(errand.user)
    await tidy_addresses(tables, errand, state.addresses.values() if state is not None else ())
