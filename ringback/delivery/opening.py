"""Where a message goes: to what is stored, or to a conversation that is opened first, with who never wrote to the bot.

The order is the promise: lease, ask the channel, store. Whoever dies after the channel was asked leaves nothing that
the next try would not do again: Teams gives the same conversation for the same two, and its row is inserted once.
"""

from __future__ import annotations

import msgspec

from ringback.channels import registry
from ringback.channels.address import Recipient
from ringback.channels.port import Opener, Outcome, SendResult, wrong_recipient
from ringback.channels.teams import REGIONS, TeamsUser
from ringback.delivery.consent import BOT
from ringback.delivery.notification import Stop
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import Throttle
from ringback.settings import Settings
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.tables.tenants import TenantTable
from ringback.tables.users import UserTable


class Recipients:
    """What the gate's ways lead to, ready to be sent to."""

    def __init__(self, tables: Tables, throttle: Throttle, config: Settings) -> None:
        self._references = ReferenceTable(tables)
        self._tenants = TenantTable(tables)
        self._users = UserTable(tables)
        self._throttle = throttle
        self._default = config.bot.teams_service_url

    async def get(self, user: str, stop: Stop) -> Recipient | SendResult | None:
        """The recipient, what the channel said when a conversation was to be opened, or None when nothing is stored.

        Raises ThrottledError, and AzureError when an opened conversation cannot be stored.
        """
        found = await self._references.recipient(user, stop.reference)
        return await self._open(user, stop, found) if isinstance(found, TeamsUser) else found

    async def lost(self, user: str, stop: Stop) -> None:
        """The channel knows no such conversation (any more): one that the bot opened is asked for anew next time."""
        if stop.channel == BOT:
            await self._references.close(user, stop.reference)

    async def _open(self, user: str, stop: Stop, person: TeamsUser) -> Reference | SendResult:
        sender = registry.sender(stop.channel)
        if not isinstance(sender, Opener):
            return wrong_recipient(stop.channel)
        service_url = await self._where(person)
        await self._throttle.lease_create(person.tenant_id)
        found = await sender.create(person, service_url)
        if isinstance(found, SendResult):
            return found
        if found.user_key != user:
            found = msgspec.structs.replace(found, owner=user)
        kept = await self._references.keep(user, stop.reference, found)
        row = await self._users.get(user)
        if row is not None and row.erased:
            # Erased while the channel was asked: what was stored after that would stay for ever.
            await self._references.close(user, stop.reference)
            return SendResult(outcome=Outcome.PERMANENT, code="Erased", detail="this person asked to be forgotten")
        return kept

    async def _where(self, person: TeamsUser) -> str:
        """The person's own service URL, the one that their tenant is known by, or their region's."""
        known = person.service_url or await self._tenants.service_url(person.tenant_id)
        return known or REGIONS.get(person.region or "", self._default)
