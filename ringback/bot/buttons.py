"""Buttons of delivered cards that come back: whose they are, counted once, answered."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import msgspec

from ringback import metrics
from ringback.bot.arrivals import group_owner
from ringback.bot.inbound import Inbound
from ringback.bot.messages import Message, message
from ringback.delivery.content import TEMPLATE
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import LedgerRow
from ringback.engagement import catalogue
from ringback.engagement.action import Press
from ringback.engagement.marking import Mark
from ringback.tables.engagement import Counted, EngagementTable
from ringback.tables.service import Tables
from ringback.tables.users import UserTable

log = logging.getLogger(__name__)
INVOKE = "adaptiveCard/action"
# The words that the protocol of Action.Execute has for an answer's kinds.
WORDS, ERROR = "application/vnd.microsoft.activity.message", "application/vnd.microsoft.error"
GONE = "This button is not for you, or its message is not there any more."
RECALLED = "This message was taken back, so there is nothing to do."
NOT_IMPLEMENTED = 501
# What a table takes as a key: the person's client could have written anything.
DELIVERY = re.compile(r"[\w.~:!-]{1,200}", re.ASCII)


class ButtonDesk:
    """Counts the presses of delivered cards, and answers those that code is registered for."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def pressed(self, inbound: Inbound, mark: Mark, data: dict[str, Any]) -> Message | None:
        """The answer; None for a press that was counted, and is for the dialogue to answer.

        Not counted: one of somebody else's message, or of one that is gone, recalled or older than their erasure.
        """
        row = await self._delivery(inbound, mark.delivery)
        if row is None:
            log.info("a press on delivery %s is not counted: not of who pressed, or gone", mark.delivery[:120])
            return message(GONE)
        if row.recalled_at is not None or row.state == "cancelled":
            return message(RECALLED)
        press = Press(id=inbound.activity_id, action=mark.action, data=data, delivery=row, reference=inbound.reference)
        await self._count(press)
        action = catalogue.find(mark.action)
        if action is None:
            return None
        answer = await action.respond(press, self._tables)
        return message(answer) if isinstance(answer, str) else answer

    async def _delivery(self, inbound: Inbound, identity: str) -> LedgerRow | None:
        """The row, if it is this person's, or of the group in which they pressed."""
        if not DELIVERY.fullmatch(identity):
            return None
        ledger, owner = Ledger(self._tables), inbound.reference.user_key
        row, person = await asyncio.gather(ledger.get(owner, identity), UserTable(self._tables).get(owner))
        if row is not None:
            # Who was erased and came back begins anew; their old messages are not theirs any more.
            since = person.created_at if person is not None else None
            is_old = since is not None and row.created_at is not None and row.created_at < since
            return None if is_old or row.erased or row.withdrawn or (person is not None and person.erased) else row
        for group in await group_owner(inbound.reference, self._tables):
            row = await ledger.get(group, identity)
            if row is not None:
                return None if row.erased or row.withdrawn else row
        return None

    async def _count(self, press: Press) -> None:
        row = press.delivery
        counted = Counted(
            delivery=row.id,
            press=press.id,
            action=press.action,
            category=row.category,
            template=template_of(row),
            created_at=row.created_at,
            at=press.reference.seen_at,
        )
        if await EngagementTable(self._tables).record(counted):
            metrics.count("presses", catalogue.label(press.action))


def template_of(row: LedgerRow) -> str:
    """The template that a delivery was worded by, or an empty text."""
    use = (row.content or {}).get(TEMPLATE)
    return str(use["name"]) if use is not None else ""


def executed(inbound: Inbound) -> dict[str, Any] | None:
    """The data that an Action.Execute came back with; None for any other invoke."""
    given = inbound.value.get("action") if inbound.name == INVOKE and isinstance(inbound.value, dict) else None
    data = given.get("data") if isinstance(given, dict) else None
    return data if isinstance(data, dict) else None


def invoke_response(text: str) -> Message:
    """The answer to an Action.Execute, which the client shows beside the card."""
    return _invoke({"statusCode": 200, "type": WORDS, "value": text})


def refused_invoke(inbound: Inbound) -> Message:
    """The answer to an invoke that no button of ours made."""
    if inbound.name != INVOKE:
        return {"type": "invokeResponse", "value": {"status": NOT_IMPLEMENTED}}
    error = {"code": "BadRequest", "message": "This bot sent no such button."}
    return _invoke({"statusCode": 400, "type": ERROR, "value": error})


def _invoke(body: Message) -> Message:
    return {"type": "invokeResponse", "value": msgspec.to_builtins({"status": 200, "body": body})}
