"""`dismiss`: the person has done with it. Where the channel can edit what was sent, the card loses its buttons."""

from __future__ import annotations

import asyncio
import logging

from azure.core.exceptions import AzureError

from ringback.channels.port import Outcome
from ringback.channels.registry import sender
from ringback.delivery.content import BOT, disarmed, rendered
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import ThrottledError, throttle
from ringback.engagement.action import CardAction, Press
from ringback.errors import RingbackError
from ringback.operations.progress import EDITABLE_CHANNELS
from ringback.settings import settings
from ringback.tables.service import Tables
from ringback.templates.library import Templates

log = logging.getLogger(__name__)
# The turn has ten to fifteen seconds, and its answer is still to be sent: a card that takes longer changes behind it.
SECONDS = 4.0
_late: set[asyncio.Task[None]] = set()


async def respond(press: Press, tables: Tables) -> str:
    """Take the buttons away where that can be done, for a person alone: in a group the card is others' too."""
    row, here = press.delivery, press.reference
    editable = here.channel_id in EDITABLE_CHANNELS and not here.is_group
    if editable and row.channel == BOT and row.activity_id is not None:
        # Never cancelled: others may wait for the slots that its lease reserves with its own.
        task = asyncio.create_task(_disarm(row, row.activity_id, here, tables))
        _late.add(task)
        task.add_done_callback(_late.discard)
        await asyncio.wait({task}, timeout=SECONDS)
    return "Dismissed."


async def _disarm(row: LedgerRow, activity_id: str, reference: Reference, tables: Tables) -> None:
    """Whatever goes wrong, the buttons stay and still work: that is no reason to fail the press."""
    if row.content is None:
        # Removed for its age: without it the update would empty the message.
        return
    try:
        content = await rendered(row.content, BOT, row.locale or reference.locale, Templates(tables))
        await throttle(tables, settings()).lease(reference)
        result = await sender(BOT).update(reference, activity_id, disarmed(content, row.id))
    except (ThrottledError, RingbackError, AzureError) as error:
        log.info("the buttons of %s stay: %s", row.id, error)
        return
    if result.outcome is not Outcome.DELIVERED:
        log.info("the buttons of %s stay: %s %s", row.id, result.code, result.detail)


DISMISS = CardAction(name="dismiss", respond=respond)
