"""Faults on demand: what the services do wrong, to whose messages, how often."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from local.fault_rules import Rule, Rules, complaint
from local.services.outbox.store import Store

HTTP = ("status", "code", "message", "html", "retry_after", "drop", "delay")
SMTP = ("status", "message", "drop", "delay")
# Where each service can fail, and what a rule can say there; the first place is meant when none is named.
PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "sms": {"request": (*HTTP, "taken", "recipient"), "recipient": ("status", "message", "recipient")},
    "email": {
        "request": (*HTTP, "taken", "recipient"),
        "operation": ("code", "message", "recipient"),
        "status": HTTP,
    },
    "smtp": {
        "data": (*SMTP, "taken", "recipient"),
        "connect": SMTP,
        "auth": SMTP,
        "mail": SMTP,
        "rcpt": (*SMTP, "recipient"),
    },
}
NARROWING = ("taken", "recipient")
EFFECTS = ("status", "drop", "delay")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
        after = asked.get("retryAfter", "")
        seconds = isinstance(after, (int, float)) and not isinstance(after, bool)
        try:
            rule = msgspec.convert({**asked, "retryAfter": str(after) if seconds else after}, Fault)
        except msgspec.ValidationError as error:
            raise FaultError(f"This is no fault: {error}.") from error
        places = PLACES.get(rule.service)
        if places is None:
            raise FaultError(f"'service' is {rule.service!r}: give one of {', '.join(PLACES)}.")
        rule.at = rule.at or next(iter(places))
        if rule.at not in places:
            raise FaultError(f"'at' is {rule.at!r}: {rule.service} fails at {', '.join(places)}.")
        if wrong := complaint(rule) or _complaint(rule, places[rule.at]):
            raise FaultError(wrong)
        return self.add(rule)

    def choose(self, service: str, at: str, recipients: list[str]) -> Fault | None:
        """The first rule that strikes here; its use is counted."""
        return self.draw(
            lambda rule: (rule.service, rule.at) == (service, at) and rule.recipient in ("", *recipients),
        )


def _complaint(rule: Fault, meaningful: tuple[str, ...]) -> str:
    """What is wrong with the fields that only these rules have, where a rule can say `meaningful`; else empty."""
    for name in (*HTTP, *NARROWING):
        if name not in meaningful and getattr(rule, name):
            return f"{_spelled(name)} means nothing for {rule.service} at {rule.at!r}."
    if "drop" in meaningful and not any(getattr(rule, name) for name in EFFECTS):
        return "A fault needs a 'status', 'drop' or a 'delay'."
    if rule.status and rule.drop:
        return "'status' means nothing with 'drop': a cut connection has no answer."
    for name in ("code", "retry_after", *(["message"] if rule.service == "smtp" else [])):
        if CONTROL.search(getattr(rule, name)):
            return f"{_spelled(name)} must be one line of text."
    # Seconds, an HTTP date, and what is neither are sent as they are; a negative number is a slip.
    return "'retryAfter' must not be negative." if rule.retry_after.lstrip().startswith("-") else ""


def _spelled(name: str) -> str:
    return repr(name.replace("_a", "A"))
