"""`dismiss`: the person has done with it. Where the channel can edit what was sent, the card loses its buttons."""

from __future__ import annotations

import asyncio
import logging

from ringback.channels.port import Outcome, SendResult
from ringback.channels.registry import sender
from ringback.delivery.content import BOT, disarmed, rendered
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.notification import Stop
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import ThrottledError, throttle
from ringback.engagement.action import CardAction, Press
from ringback.errors import ConfigurationError, RequestError
from ringback.operations.progress import EDITABLE_CHANNELS
from ringback.settings import settings
from ringback.tables.recipients import RecipientTable
from ringback.tables.service import Tables
from ringback.templates.library import Templates

log = logging.getLogger(__name__)
# The turn has ten to fifteen seconds, and its answer is still to be sent.
SECONDS = 4.0


async def respond(press: Press, tables: Tables) -> str:
    """Take the buttons away where that can be done, for a person alone: in a group the card is others' too."""
    reference = await _editable(press.delivery, tables)
    if reference is not None:
        try:
            await asyncio.wait_for(_disarm(press.delivery, reference, tables), SECONDS)
        except (asyncio.TimeoutError, ThrottledError, RequestError, ConfigurationError) as error:
            # The buttons stay, and still work: that is no reason to fail the press.
            log.info("the buttons of %s stay: %s", press.delivery.id, error or type(error).__name__)
    return "Dismissed."


async def _editable(row: LedgerRow, tables: Tables) -> Reference | None:
    if row.channel != BOT or row.activity_id is None or row.reference is None:
        return None
    found = await RecipientTable(tables).get(row.user, Stop(channel=BOT, reference=row.reference))
    fits = isinstance(found, Reference) and found.channel_id in EDITABLE_CHANNELS and not found.is_group
    return found if fits and isinstance(found, Reference) else None


async def _disarm(row: LedgerRow, reference: Reference, tables: Tables) -> None:
    content = await rendered(row.content or {}, BOT, row.locale or reference.locale, Templates(tables))
    await throttle(tables, settings()).lease(reference)
    result: SendResult = await sender(BOT).update(reference, row.activity_id or "", disarmed(content, row.id))
    if result.outcome is not Outcome.DELIVERED:
        log.info("the buttons of %s stay: %s %s", row.id, result.code, result.detail)


DISMISS = CardAction(name="dismiss", respond=respond)
