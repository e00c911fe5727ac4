"""Faults on demand: what the services do wrong, to whose messages, how often."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from local.services.outbox.store import Store

# Where each service can fail; the first place is meant when none is named.
PLACES = {
    "sms": ("request", "recipient"),
    "email": ("request", "operation", "status"),
    "smtp": ("data", "connect", "auth", "mail", "rcpt"),
}


class FaultError(Exception):
    """A rule that makes no sense; the message says why."""


class Fault(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A rule. It fits messages by `service`, `at` and `recipient`, then by `rate` and while `times` are left.

    The answer waits `delay` seconds and is then `status` with `code` and `message` (or the connection is dropped); with
    `taken` the message is kept first, so that the sender cannot know. Without status and drop the delay is all.
    """

    service: str
    at: str = ""
    recipient: str = ""
    id: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: str = ""
    html: bool = False
    drop: bool = False
    taken: bool = False
    delay: float = 0.0
    rate: float = 1.0
    times: int | None = None
    used: int = 0


class Faults:
    """The rules, kept in the state folder: a restart heals nothing by accident."""

    def __init__(self, store: Store, seed: int | None = None) -> None:
        self._store = store
        self._random = random.Random(seed)  # noqa: S311  dice, not secrets
        self.rules = msgspec.json.decode(store.kept("faults") or "[]", type=list[Fault])
        self._next = 1 + max((int(rule.id) for rule in self.rules), default=0)

    def add(self, asked: dict[str, Any]) -> Fault:
        """A rule from JSON; raises FaultError for what is no rule."""
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
        if not 0 <= rule.rate <= 1 or not 0 <= rule.delay <= 600 or rule.status not in {0, *range(200, 600)}:
            raise FaultError("rate is from 0 to 1, delay up to 600 seconds, status from 200 to 599.")
        rule.id, rule.used = str(self._next), 0
        self._next += 1
        self.rules.append(rule)
        self._keep()
        return rule

    def remove(self, rule_id: str = "") -> int:
        """Take one rule away, or all; returns how many there were."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id and rule.id != rule_id]
        self._keep()
        return before - len(self.rules)

    def choose(self, service: str, at: str, recipients: list[str]) -> Fault | None:
        """The first rule that strikes here; its use is counted."""
        for rule in self.rules:
            if (rule.service, rule.at) != (service, at) or rule.recipient not in ("", *recipients):
                continue
            if rule.times is not None and rule.used >= rule.times:
                continue
            if rule.rate < 1 and self._random.random() >= rule.rate:
                continue
            rule.used += 1
            if rule.times is not None:
                self._keep()
            return rule
        return None

    def _keep(self) -> None:
        self._store.keep("faults", msgspec.json.encode(self.rules).decode())
