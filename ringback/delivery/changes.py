"""Recalling and editing messages that were sent, where their channel can."""

from __future__ import annotations

from datetime import datetime, timezone

from ringback.channels import message_size
from ringback.channels.address import Recipient
from ringback.channels.port import Outcome, Sender, SendResult
from ringback.channels.registry import sender
from ringback.delivery.content import BOT, Content, check_size, marked, rendered
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.notification import Stop
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import Throttle, ThrottledError
from ringback.errors import ConflictError, RetryableError, TooLargeError
from ringback.tables.recipients import RecipientTable
from ringback.templates.library import Templates

RECALLED, EDITED = "recalled", "edited"
GONE = "ActivityNotFound"


class Changes:
    """What can be done to a delivered message."""

    def __init__(self, ledger: Ledger, recipients: RecipientTable, throttle: Throttle, templates: Templates) -> None:
        self._ledger = ledger
        self._recipients = recipients
        self._throttle = throttle
        self._templates = templates

    async def recall(self, row: LedgerRow) -> LedgerRow:
        """Take the message back; ConflictError where the channel cannot, RetryableError where it cannot now."""
        if row.recalled_at is not None:
            return row
        recipient, activity_id, channel = await self._reach(row, RECALLED)
        result = await channel.delete(recipient, activity_id)
        if result.code != GONE:
            _check(result, RECALLED)
        row.recalled_at = _now()
        return await self._ledger.save(row)

    async def edit(self, row: LedgerRow, content: Content, field: str) -> LedgerRow:
        """Put other words in the place of those that were sent, or of those that are still to be sent."""
        check_size(content, field)
        if row.is_final and row.state != "delivered":
            raise ConflictError(f"It has ended as {row.state}: there is nothing to edit.")
        if row.state == "delivered":
            if row.recalled_at is not None:
                raise ConflictError("It was recalled: send a new notification.")
            recipient, activity_id, channel = await self._reach(row, EDITED)
            locale = row.locale or (recipient.locale if isinstance(recipient, Reference) else None)
            payload = await rendered(content, row.channel or BOT, locale, self._templates)
            payload = marked(payload, row.id) if row.channel == BOT else payload
            result = await channel.update(recipient, activity_id, payload)
            if result.code == message_size.TOO_BIG:
                raise TooLargeError(result.detail, field=field)
            _check(result, EDITED)
        row.content, row.edited_at = content, _now()
        return await self._ledger.save(row, content=True)

    async def _reach(self, row: LedgerRow, what: str) -> tuple[Recipient, str, Sender]:
        """Where the message is, its id there, and who can change it."""
        if row.activity_id is None or row.channel is None or row.reference is None:
            raise ConflictError(f"The channel gave no id for this message, so it cannot be {what}.")
        recipient = await self._recipients.get(row.user, Stop(channel=row.channel, reference=row.reference))
        if recipient is None:
            raise ConflictError(f"The conversation is not stored any more, so the message cannot be {what}.")
        if isinstance(recipient, Reference):
            try:
                await self._throttle.lease(recipient)
            except ThrottledError as error:
                raise RetryableError(f"Too many messages at this moment. Try again in {error.seconds:.0f} s.") from None
        return recipient, row.activity_id, sender(row.channel)


def _check(result: SendResult, what: str) -> None:
    if result.outcome is Outcome.DELIVERED:
        return
    if result.outcome is Outcome.PERMANENT:
        if result.status in {405, 501}:
            raise ConflictError(f"The channel this message went by does not let it be {what}: send a new one.")
        raise ConflictError(f"The channel refused: {result.detail or result.code}.")
    raise RetryableError(f"The channel did not answer well ({result.code}). Try again.")


def _now() -> datetime:
    return datetime.now(timezone.utc)
