"""Where a way to a person leads: a stored reference, or an address."""

from __future__ import annotations

from ringback.channels.address import Recipient
from ringback.channels.teams import TeamsUser
from ringback.delivery.notification import Stop
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables


class RecipientTable:
    """Reads what the gate's ways name by key."""

    def __init__(self, tables: Tables) -> None:
        self._references = ReferenceTable(tables)

    async def get(self, user: str, stop: Stop) -> Recipient | None:
        """The recipient, or None when nothing is stored (any more) under this key, or no conversation is open yet."""
        found = await self._references.recipient(user, stop.reference)
        return None if isinstance(found, TeamsUser) else found
