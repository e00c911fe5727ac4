"""Taking over what another task hub left behind.

The age of a listing alone says nothing: hosts of one machine sleep together, and who wakes first must not take what the
others will come back to. So this process has to have seen that nobody touched it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic
from weakref import WeakKeyDictionary

from ringback.delivery.people import UserEntities
from ringback.tables.notifications import Listing
from ringback.tables.service import Tables

# A task hub that lives puts each look off until the next; one that has not done so for so long may be no more.
ABANDONED = timedelta(days=1)
WATCHED_SECONDS = 3_600.0
# After that it is adopted also by who does not know the person, and ends as unknown.
GIVEN_UP = timedelta(days=7)


class Watch:
    """What this process has seen to be abandoned: since when, and by which time that its own task hub puts off."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], tuple[datetime, float]] = {}

    def sees_abandoned(self, key: tuple[str, ...], at: datetime, now: datetime) -> bool:
        """Whether to take over what another task hub should have looked after at `at`."""
        if now - at < ABANDONED:
            self._seen.pop(key, None)
            return False
        seen, since = self._seen.get(key, (None, 0.0))
        if seen != at:
            self._seen[key] = at, monotonic()
            return False
        return monotonic() - since >= WATCHED_SECONDS

    async def adopts(self, listing: Listing, now: datetime, entities: UserEntities | None) -> bool:
        """Whether to take over a listed delivery of another task hub; `entities` tell whom this one knows."""
        key = listing.delivery, str(listing.round)
        if not self.sees_abandoned(key, listing.at, now):
            return False
        if now - listing.at < GIVEN_UP and entities is not None and await entities.read(listing.user) is None:
            return False
        del self._seen[key]
        return True


_watches: WeakKeyDictionary[Tables, Watch] = WeakKeyDictionary()


def watch_of(tables: Tables) -> Watch:
    """The watch of this process over these tables."""
    return _watches.setdefault(tables, Watch())
