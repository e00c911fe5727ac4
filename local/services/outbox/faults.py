"""Faults on demand: what the services do wrong, to whose messages, how often."""

from __future__ import annotations

from typing import Any

import msgspec

from local.fault_rules import Rule, Rules, complaint
from local.services.outbox.store import Store

# Where each service can fail; the first place is meant when none is named.
PLACES = {
    "sms": ("request", "recipient"),
    "email": ("request", "operation", "status"),
    "smtp": ("data", "connect", "auth", "mail", "rcpt"),
}


class FaultError(Exception):
    """A rule that makes no sense; the message says why."""


class Fault(Rule):
    """A rule for the messages that `service`, `at` and `recipient` (all when empty) name."""

    service: str
    at: str = ""
    recipient: str = ""
    retry_after: str = ""


class Faults(Rules[Fault]):
    """The rules, kept in the state folder: a restart heals nothing by accident."""

    def __init__(self, store: Store, seed: int | None = None) -> None:
        kept = (store.kept("faults") or "[]").encode()
        super().__init__(Fault, kept, lambda rules: store.keep("faults", rules.decode()), seed)

    def demand(self, asked: dict[str, Any]) -> Fault:
        """Add a rule from JSON; raises FaultError for what is no rule."""
        given = {**asked, "retryAfter": str(asked.get("retryAfter", ""))}
        try:
            rule = msgspec.convert(given, Fault)
        except msgspec.ValidationError as error:
            raise FaultError(f"This is no fault: {error}.") from error
        places = PLACES.get(rule.service)
        if places is None:
            raise FaultError(f"service is {rule.service!r}: give one of {', '.join(PLACES)}.")
        rule.at = rule.at or places[0]
        if rule.at not in places:
            raise FaultError(f"at is {rule.at!r}: {rule.service} fails at {', '.join(places)}.")
        wrong = complaint(rule) or _retry_after_complaint(rule.retry_after)
        if wrong:
            raise FaultError(wrong)
        return self.add(rule)

    def choose(self, service: str, at: str, recipients: list[str]) -> Fault | None:
        """The first rule that strikes here; its use is counted."""
        return self.draw(
            lambda rule: (rule.service, rule.at) == (service, at) and rule.recipient in ("", *recipients),
        )


def _retry_after_complaint(text: str) -> str:
    """Seconds or an HTTP date are taken as they are; a negative number is a slip."""
    return "'retryAfter' must not be negative." if text.lstrip().startswith("-") else ""
