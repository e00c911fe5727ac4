"""What to do with a channel's answer: one table from service, status and error code to an outcome.

Sources: "Send proactive messages" and "Optimize your agent with rate limiting in Teams"
(https://learn.microsoft.com/microsoftteams/platform/bots/), status codes of the Bot Connector API; the REST reference
of Azure Communication Services (https://learn.microsoft.com/rest/api/communication/); RFC 5321 and RFC 3463 for mail.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timezone
from enum import Enum
from typing import Any

import msgspec

from ringback.channels.port import Outcome, Reaction, SendResult

DELIVERED, RETRY, PERMANENT, AMBIGUOUS = Outcome.DELIVERED, Outcome.RETRY, Outcome.PERMANENT, Outcome.AMBIGUOUS
LONGEST_DETAIL = 300
DEEPEST_NESTING = 6
# Longer than any message is tried for; a date that far away can still be reckoned with.
LONGEST_WAIT = 30 * 86_400.0
# RFC 3463: class, subject, detail.
ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Service(Enum):
    """Who answers. SMTP's reply codes look like HTTP's statuses and mean other things."""

    BOT = "bot"
    CREATE = "create"  # the Bot Connector too, asked for a new conversation
    SMS = "sms"
    EMAIL = "email"
    SMTP = "smtp"


HTTP = (Service.BOT, Service.CREATE, Service.SMS, Service.EMAIL)
ACS = (Service.SMS, Service.EMAIL)
SMS, EMAIL, SMTP = (Service.SMS,), (Service.EMAIL,), (Service.SMTP,)
BOTS, CREATE = (Service.BOT, Service.CREATE), (Service.CREATE,)
# In the place of a status: the e-mail was accepted, and then the operation that sends it failed.
OPERATION_FAILED = 0


class Rule(msgspec.Struct, frozen=True):
    """The first rule whose service, status and sign all fit decides; a sign is an error code or part of the message."""

    status: int
    sign: str
    outcome: Outcome
    reaction: Reaction = Reaction.NONE
    retries: int | None = None
    advice: str = ""
    services: tuple[Service, ...] = HTTP
    code: str = ""  # what the ledger calls it where the service has no word of its own


NO_ROSTER = "the bot is not in this conversation: wait until it is installed there"
NOT_PERSONAL = "the app is not installed in this user's personal scope"
REGISTERED = "the channel does not take the tenant, the ids or the service URL that this person is registered with"
NO_PERSON = "the channel finds no such person in this tenant"
GOVERNMENT = "this is a government tenant: set its service URL's host in BOT_SERVICE_URL_HOSTS"
NOT_INSTALLED = "NotInstalled"
CREDENTIALS = "check MicrosoftAppId, MicrosoftAppPassword, MicrosoftAppType and MicrosoftAppTenantId"
BLOCKED = "the user or an administrator blocked the bot"
GONE = "the conversation or the message is not there (any more)"
ACS_CREDENTIALS = "check ACS_CONNECTION_STRING, or the managed identity's role on the resource of ACS_ENDPOINT"
OPTED_OUT = "the person opted out of text messages from this number, by STOP"
SUPPRESSED = "every recipient is on the e-mail service's suppression list"
SENDER = "the service does not know the sender, or does not let us use it: check SMS_FROM or EMAIL_FROM"
NO_NUMBER = "the number does not exist or cannot receive text messages"
NO_MAILBOX = "the mailbox does not exist"
SMTP_LOGIN = "check SMTP_USER, SMTP_PASSWORD and SMTP_STARTTLS"
WRITES, OPERATOR, CONFIRM = Reaction.UNTIL_USER_WRITES, Reaction.OPERATOR, Reaction.CONFIRM_GONE
INSTALL = Reaction.UNTIL_INSTALLED

RULES = (
    Rule(400, "opted out", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(400, "opt-out", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(400, "blocked for given recipient", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(400, "RepeatabilityRejected", RETRY, advice="the service no longer knows this attempt's key", services=SMS),
    Rule(400, "from phone number", PERMANENT, OPERATOR, advice=SENDER, services=SMS, code="SenderRefused"),
    Rule(400, "from number", PERMANENT, OPERATOR, advice=SENDER, services=SMS, code="SenderRefused"),
    Rule(400, "phone number", PERMANENT, CONFIRM, advice=NO_NUMBER, services=SMS, code="NoSuchNumber"),
    Rule(400, "", PERMANENT, advice="the service does not take this message", services=SMS),
    Rule(400, "EmailDroppedAllRecipientsSuppressed", PERMANENT, WRITES, advice=SUPPRESSED, services=EMAIL),
    Rule(400, "sender", PERMANENT, OPERATOR, advice=SENDER, services=EMAIL, code="SenderRefused"),
    Rule(400, "", PERMANENT, advice="the service does not take this message", services=EMAIL),
    # It has answered 401 for a moment, complaining of a clock, to requests that were well signed.
    Rule(401, "", RETRY, OPERATOR, retries=1, advice=ACS_CREDENTIALS, services=ACS),
    Rule(403, "opted out", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(403, "opt-out", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(403, "blocked for given recipient", PERMANENT, WRITES, advice=OPTED_OUT, services=SMS, code="OptedOut"),
    Rule(403, "", PERMANENT, OPERATOR, advice=ACS_CREDENTIALS, services=ACS),
    Rule(404, "DomainNotLinked", PERMANENT, OPERATOR, advice="link the domain of EMAIL_FROM", services=EMAIL),
    Rule(404, "", PERMANENT, CONFIRM, advice=NO_NUMBER, services=SMS, code="NoSuchNumber"),
    Rule(404, "", PERMANENT, OPERATOR, advice="there is no such resource or domain", services=EMAIL),
    # The key was used before, and what became of that attempt is not to be had.
    Rule(409, "", AMBIGUOUS, advice="the service has a message with this key", services=ACS),
    Rule(500, "", RETRY, advice="the service failed", services=ACS),
    Rule(OPERATION_FAILED, "EmailDroppedAllRecipientsSuppressed", PERMANENT, WRITES, advice=SUPPRESSED, services=EMAIL),
    Rule(OPERATION_FAILED, "TooManyRequests", RETRY, advice="the service throttles", services=EMAIL),
    Rule(OPERATION_FAILED, "InternalServerError", RETRY, retries=3, advice="the service failed", services=EMAIL),
    Rule(OPERATION_FAILED, "Canceled", RETRY, retries=1, advice="the service gave the e-mail up", services=EMAIL),
    Rule(OPERATION_FAILED, "", PERMANENT, advice="the service could not send the e-mail", services=EMAIL),
    Rule(454, "5.7", PERMANENT, OPERATOR, advice=SMTP_LOGIN, services=SMTP),
    Rule(530, "", PERMANENT, OPERATOR, advice=SMTP_LOGIN, services=SMTP),
    Rule(534, "", PERMANENT, OPERATOR, advice=SMTP_LOGIN, services=SMTP),
    Rule(535, "", PERMANENT, OPERATOR, advice=SMTP_LOGIN, services=SMTP),
    Rule(538, "", PERMANENT, OPERATOR, advice=SMTP_LOGIN, services=SMTP),
    Rule(550, "SenderRefused", PERMANENT, OPERATOR, advice=SENDER, services=SMTP),
    Rule(550, "5.1.1", PERMANENT, CONFIRM, advice=NO_MAILBOX, services=SMTP),
    Rule(550, "5.2.1", PERMANENT, CONFIRM, advice="the mailbox is switched off", services=SMTP),
    Rule(550, "5.7", PERMANENT, advice="the mail server forbids it: look at its words", services=SMTP),
    Rule(550, "RecipientRefused", PERMANENT, CONFIRM, advice=NO_MAILBOX, services=SMTP),
    Rule(551, "", PERMANENT, CONFIRM, advice="the mailbox has moved", services=SMTP),
    # RFC 5321 section 4.5.3.1.10: once the code for too much at a time; a full mailbox may be emptied.
    Rule(552, "5.2.2", RETRY, advice="the mailbox is full", services=SMTP),
    Rule(552, "", PERMANENT, advice="the message is too large for the mail server", services=SMTP),
    Rule(553, "SenderRefused", PERMANENT, OPERATOR, advice=SENDER, services=SMTP),
    Rule(553, "", PERMANENT, CONFIRM, advice=NO_MAILBOX, services=SMTP),
    Rule(554, "5.1.1", PERMANENT, CONFIRM, advice=NO_MAILBOX, services=SMTP),
    Rule(400, "", PERMANENT, advice=REGISTERED, services=CREATE),
    Rule(400, "", PERMANENT, Reaction.OPERATOR, advice="the channel does not take this activity"),
    Rule(401, "", PERMANENT, Reaction.OPERATOR, advice=CREDENTIALS),
    Rule(403, "ConversationBlockedByUser", PERMANENT, Reaction.UNTIL_USER_WRITES, advice=BLOCKED),
    Rule(403, "BotDisabledByAdmin", PERMANENT, Reaction.UNTIL_USER_WRITES, advice=BLOCKED),
    Rule(403, "MessageWritesBlocked", PERMANENT, Reaction.UNTIL_USER_WRITES, advice=BLOCKED),
    Rule(403, "209", PERMANENT, Reaction.UNTIL_USER_WRITES, advice=BLOCKED),
    Rule(
        403, "ForbiddenOperationException", PERMANENT, INSTALL, advice=NOT_PERSONAL, services=CREATE, code=NOT_INSTALLED
    ),
    Rule(
        403, "BotNotInConversationRoster", PERMANENT, INSTALL, advice=NOT_PERSONAL, services=CREATE, code=NOT_INSTALLED
    ),
    # Teams says so in words alone, under the code BadArgument.
    Rule(403, "not installed in user", PERMANENT, INSTALL, advice=NOT_PERSONAL, services=BOTS, code=NOT_INSTALLED),
    Rule(403, "BotNotInConversationRoster", PERMANENT, Reaction.UNTIL_INSTALLED, advice=NO_ROSTER),
    Rule(403, "ForbiddenOperationException", PERMANENT, Reaction.UNTIL_INSTALLED, advice=NOT_PERSONAL),
    Rule(403, "InvalidBotApiHost", PERMANENT, Reaction.OPERATOR, advice=GOVERNMENT),
    # Has been an outage of the channel: no reference may be dropped for it.
    Rule(403, "Failed to decrypt conversation id", PERMANENT, advice="the channel could not read its own id"),
    Rule(403, "", PERMANENT, advice="the channel forbids it"),
    Rule(404, "", PERMANENT, CONFIRM, advice=NO_PERSON, services=CREATE),
    Rule(404, "ActivityNotFound", PERMANENT, advice=GONE),
    Rule(404, "", PERMANENT, Reaction.CONFIRM_GONE, advice=GONE),
    Rule(405, "", PERMANENT, advice="the channel cannot do this; send a new message instead"),
    Rule(408, "", RETRY),
    Rule(412, "", RETRY, advice="the channel was busy with this conversation"),
    Rule(413, "", PERMANENT, advice="the message is too large for the channel"),
    Rule(429, "", RETRY, advice="the channel throttles"),
    Rule(500, "", RETRY, retries=1, advice="the channel failed; one more attempt is worth it"),
    Rule(501, "", PERMANENT, advice="the channel cannot do this"),
    Rule(504, "", RETRY, advice="the channel gave no answer in time", services=CREATE),
    Rule(504, "", AMBIGUOUS, advice="the channel gave no answer in time; the message may have arrived"),
)


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: Service = Service.BOT,
    now: Callable[[], float] = time.time,
) -> SendResult:
    """What the channel's answer means; takes any body, and never raises for one."""
    content = _json(body)
    if 200 <= status < 300:
        return _accepted(status, content, body)
    signs = list(_signs(content))
    if 300 <= status < 400:
        detail = "the service's URL redirects, and redirects are not followed"
        return SendResult(outcome=PERMANENT, status=status, code="Redirect", detail=detail, reaction=Reaction.OPERATOR)
    rule = _rule(service, status, signs, body)
    return SendResult(
        outcome=rule.outcome,
        status=status,
        code=_code(signs, rule) or f"HTTP {status}",
        retry_after=retry_after(_header(headers, "Retry-After"), now=now),
        detail=_detail(status, rule, content, body),
        reaction=rule.reaction,
        retries=rule.retries,
    )


def classify_reply(code: int, text: str, refused: str = "") -> SendResult:
    """What a mail server's reply other than success means; `refused` is SenderRefused, RecipientRefused or nothing."""
    signs = [refused] if refused else []
    rule = _rule(Service.SMTP, code, signs, text.encode("utf-8", "replace"))
    enhanced = ENHANCED_CODE.match(text)
    detail = ": ".join(part for part in (f"SMTP {code}", rule.advice, " ".join(text.split())) if part)
    return SendResult(
        outcome=rule.outcome,
        status=code,
        code=f"{code} {enhanced[0]}" if enhanced else str(code),
        detail=detail[:LONGEST_DETAIL],
        reaction=rule.reaction,
        retries=rule.retries,
    )


def no_answer(error: BaseException, *, went_out: bool) -> SendResult:
    """The connection failed: before the request went out nothing was sent, after it nobody can tell."""
    detail = f"{type(error).__name__}: {error}".rstrip(": ")[:LONGEST_DETAIL]
    if went_out:
        return SendResult(outcome=AMBIGUOUS, code="NoAnswer", detail=detail)
    return SendResult(outcome=RETRY, code="NotConnected", detail=detail)


def retry_after(value: str | None, *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait by a Retry-After header, given in seconds or as an HTTP date; None if it says neither.

    Never less than 0, and never more than LONGEST_WAIT.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(value)
            # HTTP's dates are GMT, also where they do not say so (RFC 9110, section 5.6.7).
            seconds = (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() - now()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_WAIT) if math.isfinite(seconds) else None


def backoff(attempt: int, *, base: float = 1.0, cap: float = 300.0, random: Callable[[], float]) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): full jitter, `random` gives [0, 1)."""
    return random() * min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 60))


def _accepted(status: int, content: Any, body: bytes) -> SendResult:
    if body.lstrip()[:1] == b"<":
        detail = "a web page came in place of the channel's answer"
        return SendResult(outcome=AMBIGUOUS, status=status, code="NotTheChannel", detail=detail)
    found = content.get("id") if isinstance(content, dict) else None
    return SendResult(outcome=DELIVERED, status=status, activity_id=found if isinstance(found, str) and found else None)


def _rule(service: Service, status: int, signs: list[str], body: bytes) -> Rule:
    text = body[:4096].decode("utf-8", "replace").lower()
    lowered = {sign.lower() for sign in signs}
    for rule in RULES:
        if rule.status != status or service not in rule.services:
            continue
        sign = rule.sign.lower()
        if not sign or sign in lowered or (not sign.isdigit() and sign in text):
            return rule
    # A mail server's 4xx passes, an HTTP server's does not; with 5xx it is the other way round.
    passing = status < 500 if service is Service.SMTP else status >= 500
    return Rule(status, "", RETRY if passing else PERMANENT)


def _signs(content: Any, depth: int = 0) -> Iterator[str]:
    """Every error code in the body, outermost first; Teams puts JSON into messages."""
    if depth > DEEPEST_NESTING:
        return
    if isinstance(content, str) and content.lstrip()[:1] == "{":
        yield from _signs(_json(content.encode("utf-8", "replace")), depth + 1)
    if not isinstance(content, dict):
        return
    for name in ("code", "subCode", "errorCode"):
        value = content.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            yield str(value)
    for name in ("error", "innererror", "innerHttpError", "body", "message"):
        yield from _signs(content.get(name), depth + 1)


def _code(signs: list[str], rule: Rule) -> str | None:
    """The code that decided, in the table's spelling; else the innermost that is a word."""
    if rule.code:
        return rule.code
    if rule.sign and not rule.sign.isdigit() and " " not in rule.sign:
        return rule.sign
    words = [sign for sign in signs if not sign.isdigit()]
    return (words or signs or [""])[-1] or None


def _detail(status: int, rule: Rule, content: Any, body: bytes) -> str:
    said = _message(content) or ("" if content is not None else body[:LONGEST_DETAIL].decode("utf-8", "replace"))
    parts = [f"HTTP {status}" if status else "", rule.advice, " ".join(said.split())]
    return ": ".join(part for part in parts if part)[:LONGEST_DETAIL]


def _message(content: Any) -> str:
    inner = content.get("error", content) if isinstance(content, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else ""


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
