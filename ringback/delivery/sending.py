"""One try to send one message: lease, claim, send, write. What the channel says is data; our own trouble is raised."""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta, timezone

import msgspec

from ringback import ids
from ringback.channels import registry
from ringback.channels.address import Recipient
from ringback.channels.port import Once, Outcome, Reaction, SendResult
from ringback.delivery.content import BOT, marked, rendered
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.notification import SendAnswer, SendOrder, Stop
from ringback.delivery.opening import Recipients
from ringback.delivery.policy import backoff
from ringback.delivery.reference import Reference
from ringback.delivery.throttle import Throttle, ThrottledError
from ringback.errors import RequestError, TooLargeError
from ringback.tables.dead_letters import DeadLetter, DeadLetterTable
from ringback.templates.library import Templates

log = logging.getLogger(__name__)
LEAST_SECONDS, LAST_TRY_SECONDS = 0.5, 4.0
# Each try of the second kind may be one more copy: a channel that never answers is asked ever less often.
LONGEST_PAUSE, LONGEST_AMBIGUOUS = 300.0, 3_600.0
UNKNOWN = "unknown"
# So long an order may lie in a queue, or in a host that is down, before the gate is to be asked anew.
STALE = timedelta(minutes=5)
NOT_CONFIGURED = "not-configured"


class Sending:
    """What a try needs: the ledger, where people are, and how fast they may be written to."""

    def __init__(
        self,
        ledger: Ledger,
        recipients: Recipients,
        letters: DeadLetterTable,
        throttle: Throttle,
        templates: Templates,
    ) -> None:
        self._ledger = ledger
        self._recipients = recipients
        self._letters = letters
        self._throttle = throttle
        self._templates = templates

    async def send(self, order: SendOrder) -> SendAnswer:
        """Try once. Raises RetryableError and AzureError when the ledger cannot be read or written."""
        notification, stop = order.notification, order.stop
        row = await self._ledger.find(notification, _now())
        # An activity may run again after its answer was lost, and an operator have begun a new round meanwhile.
        if row.is_over(notification.round):
            return await self._ended(row)
        problem = registry.problem(stop.channel)
        try:
            recipient = None if problem else await self._recipients.get(notification.user, stop)
            deadline = await self._lease(recipient)
        except ThrottledError as error:
            return SendAnswer(outcome="throttled", code="Throttled", retry_after=error.seconds)
        if (instead := await self._instead(order, is_nowhere=recipient is None and not problem)) is not None:
            return instead
        locale = order.locale or (recipient.locale if isinstance(recipient, Reference) else None)
        row = await self._ledger.claim(row, stop, _now(), locale)
        if row.is_final:
            return await self._ended(row)
        if problem:
            result, took = _refused(NOT_CONFIGURED, problem), None
        else:
            result, took = await self._result(row, recipient, locale, deadline)
        row = await self._ledger.complete(row, result, _now(), last=order.last, took=took)
        await self._note(row, stop, result)
        if problem:
            log.error("delivery %s cannot go by %s: %s", row.id, stop.channel, problem)
        elif result.outcome is not Outcome.DELIVERED:
            log.warning("delivery %s, try %d: %s %s", row.id, row.tries, result.outcome.value, result.code)
        return _answer(row, result, order.attempt)

    async def _instead(self, order: SendOrder, *, is_nowhere: bool) -> SendAnswer | None:
        """What is done instead of sending when the order has lain too long, or its address was replaced; else None."""
        notification, now = order.notification, _now()
        expires_at = notification.expires_at
        if expires_at is not None and now >= expires_at:
            reason = f"expired: it was wanted before {expires_at.isoformat()}"
            return await self._ended(await self._ledger.close(notification, "suppressed", reason, now))
        if order.asked_at is not None and (is_nowhere or now - order.asked_at > STALE):
            return SendAnswer(outcome="stale", code="Stale")
        return None

    async def _lease(self, recipient: Recipient | SendResult | None) -> float:
        if not isinstance(recipient, Reference):
            return float("inf")
        return await self._throttle.lease(recipient)

    async def _result(
        self, row: LedgerRow, recipient: Recipient | SendResult | None, locale: str | None, deadline: float
    ) -> tuple[SendResult, float | None]:
        """What became of the try, and the seconds that the channel took; None when it was not asked."""
        if recipient is None:
            return _refused("UnknownConversation", "this person's address is not stored (any more)"), None
        if isinstance(recipient, SendResult):
            return _bounded(row, recipient), None
        channel = row.channel or BOT
        try:
            content = await rendered(row.content or {}, channel, locale, self._templates)
        except TooLargeError as error:
            return _refused("TooLarge", str(error)), None
        except RequestError as error:
            return _refused("TemplateFailed", str(error)), None
        try:
            while self._throttle.late(deadline):
                deadline = await self._lease(recipient)
        except ThrottledError as error:
            return SendResult(outcome=Outcome.RETRY, code="Throttled", retry_after=error.seconds), None
        payload = marked(content, row.id) if channel == BOT else content
        began = time.monotonic()
        result = await registry.sender(channel).send(recipient, payload, once=once(row))
        return _bounded(row, result), time.monotonic() - began

    async def _note(self, row: LedgerRow, stop: Stop, result: SendResult) -> None:
        """What follows from an answer that stands in the ledger."""
        if row.state == "failed":
            await self._letters.put(dead_letter(row))
        if result.reaction is Reaction.CONFIRM_GONE:
            await self._recipients.lost(row.user, stop)

    async def _ended(self, row: LedgerRow) -> SendAnswer:
        if row.state == "failed":
            # Whoever wrote the row may have died before the letter.
            await self._letters.put(dead_letter(row))
        return SendAnswer(outcome="ended", state=row.state, code=row.code, activity_id=row.activity_id)


def once(row: LedgerRow) -> Once:
    """The key of the claimed attempt: the same as before while it is not known what became of that one."""
    first = len(row.attempts) - 1
    while first and _unknown(row, first - 1):
        first -= 1
    repeated = len(row.attempts) - 1 - first
    key = ids.digest("once", row.id, str(row.round), str(row.tries - repeated))
    return Once(key=key, first_sent=row.attempts[first].at, repeated=repeated > 0)


def dead_letter(row: LedgerRow) -> DeadLetter:
    """What operators read of a failed delivery."""
    return DeadLetter(
        delivery=row.id,
        user=row.user,
        code=row.code or UNKNOWN,
        category=row.category,
        failed_at=row.failed_at or _now(),
        channel=row.channel,
        detail=row.detail,
        tries=row.tries,
    )


def _unknown(row: LedgerRow, number: int) -> bool:
    attempt = row.attempts[number]
    return attempt.outcome == Outcome.AMBIGUOUS.value and attempt.channel == row.channel


def _bounded(row: LedgerRow, result: SendResult) -> SendResult:
    """A code that is worth so many retries only is permanent after them."""
    if result.outcome is not Outcome.RETRY or result.retries is None:
        return result
    before = 0
    for attempt in reversed(row.attempts[:-1]):
        if attempt.outcome == Outcome.PERMANENT.value:
            break  # another channel's turn, or an operator's new start
        before += attempt.code == result.code
    if before < result.retries:
        return result
    return msgspec.structs.replace(result, outcome=Outcome.PERMANENT)


def _answer(row: LedgerRow, result: SendResult, attempt: int) -> SendAnswer:
    outcome = result.outcome.value
    if row.state == "ambiguous":
        return SendAnswer(outcome="ended", state=row.state, code=row.code)
    # A channel that names no time, or one that has passed, leaves the pause to us.
    wait = result.retry_after or None
    if wait is None and outcome in {"retry", "ambiguous"}:
        # The one more try that an outage gets must come after a short outage, not a few milliseconds into it.
        least = LAST_TRY_SECONDS if result.retries == 1 else LEAST_SECONDS
        longest = LONGEST_PAUSE if outcome == "retry" else LONGEST_AMBIGUOUS
        wait = least + backoff(attempt, cap=longest, random=random.random)
    return SendAnswer(
        outcome=outcome,
        code=result.code,
        detail=result.detail or None,
        retry_after=wait,
        activity_id=result.activity_id,
        reaction=result.reaction.value if outcome != "delivered" and result.reaction.value != "none" else None,
        at=row.attempts[-1].at,
    )


def _refused(code: str, detail: str) -> SendResult:
    return SendResult(outcome=Outcome.PERMANENT, code=code, detail=detail)


def _now() -> datetime:
    return datetime.now(timezone.utc)
