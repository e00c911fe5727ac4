"""`dismiss`: the person has done with it. Where the channel can edit what was sent, the card loses its buttons."""

from __future__ import annotations

import asyncio
import logging

from ringback.channels.port import Outcome, SendResult
from ringback.channels.registry import sender
from ringback.delivery.content import BOT, disarmed, rendered
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import ThrottledError, throttle
from ringback.engagement.action import CardAction, Press
from ringback.errors import ConfigurationError, RequestError
from ringback.operations.progress import EDITABLE_CHANNELS
from ringback.settings import settings
from ringback.tables.service import Tables
from ringback.templates.library import Templates

log = logging.getLogger(__name__)
# The turn has ten to fifteen seconds, and its answer is still to be sent.
SECONDS = 4.0


async def respond(press: Press, tables: Tables) -> str:
    """Take the buttons away where that can be done, for a person alone: in a group the card is others' too."""
    row, here = press.delivery, press.reference
    if (
        row.channel == BOT
        and row.activity_id is not None
        and here.channel_id in EDITABLE_CHANNELS
        and not here.is_group
    ):
        try:
            await asyncio.wait_for(_disarm(row, here, tables), SECONDS)
        except (asyncio.TimeoutError, ThrottledError, RequestError, ConfigurationError) as error:
            # The buttons stay, and still work: that is no reason to fail the press.
            log.info("the buttons of %s stay: %s", row.id, str(error) or type(error).__name__)
    return "Dismissed."


async def _disarm(row: LedgerRow, reference: Reference, tables: Tables) -> None:
    content = await rendered(row.content or {}, BOT, row.locale or reference.locale, Templates(tables))
    await throttle(tables, settings()).lease(reference)
    result: SendResult = await sender(BOT).update(reference, row.activity_id or "", disarmed(content, row.id))
    if result.outcome is not Outcome.DELIVERED:
        log.info("the buttons of %s stay: %s %s", row.id, result.code, result.detail)


DISMISS = CardAction(name="dismiss", respond=respond)
