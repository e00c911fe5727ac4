"""Rules of what goes wrong on purpose: what all of them say, how one is drawn, and how they are kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

LONGEST_DELAY = 600


class Rule(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """It strikes with the probability `rate`, `times` at most; `used` is how often it did.

    What is struck waits `delay` seconds; then it is answered with `status` or loses its connection (`drop`). With
    `taken` it is done first, so that its sender cannot know.
    """

    id: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    html: bool = False
    drop: bool = False
    taken: bool = False
    delay: float = 0.0
    rate: float = 1.0
    times: int | None = None
    used: int = 0


R = TypeVar("R", bound=Rule)


class Rules(Generic[R]):
    """Rules in the order in which they came. `keep` is handed all that must survive a restart, at every change.

    The id of a rule that was kept is given to no other, so that an account of its deeds stays true.
    """

    def __init__(self, kind: type[R], kept: bytes, keep: Callable[[bytes], None], seed: int | None = None) -> None:
        self._keep_bytes = keep
        self._random = random.Random(seed)  # noqa: S311  dice, not secrets
        data = msgspec.json.decode(kept)
        # A state folder of an earlier version has the rules alone.
        last, rules = (0, data) if isinstance(data, list) else (data["last"], data["rules"])
        self.rules: list[R] = msgspec.convert(rules, list[kind])  # type: ignore[valid-type]
        self._passing: set[str] = set()
        self._next = 1 + max([last, *(int(rule.id) for rule in self.rules)])

    def add(self, rule: R, *, keep: bool = True) -> R:
        """Give a rule its id and its place, the last; without `keep` a restart forgets it."""
        rule.id, rule.used = str(self._next), 0
        self._next += 1
        self.rules.append(rule)
        if keep:
            self._keep()
        else:
            self._passing.add(rule.id)
        return rule

    def change(self, rule_id: str, rule: R) -> R | None:
        """Put `rule` into the place of another, as unused; None when there is no such rule."""
        place = next((place for place, old in enumerate(self.rules) if old.id == rule_id), None)
        if place is None:
            return None
        rule.id, rule.used = rule_id, 0
        self.rules[place] = rule
        self._keep()
        return rule

    def remove(self, rule_id: str = "") -> int:
        """Take one rule away, or all; returns how many there were."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id and rule.id != rule_id]
        self._keep()
        return before - len(self.rules)

    def draw(self, fits: Callable[[R], bool]) -> R | None:
        """The first rule that fits and strikes; its use is counted."""
        for rule in self.rules:
            if (rule.times is not None and rule.used >= rule.times) or not fits(rule):
                continue
            if rule.rate < 1 and self._random.random() >= rule.rate:
                continue
            rule.used += 1
            if rule.id not in self._passing:
                self._keep()
            return rule
        return None

    def _keep(self) -> None:
        kept = [rule for rule in self.rules if rule.id not in self._passing]
        self._keep_bytes(msgspec.json.encode({"last": self._next - 1, "rules": kept}))


def complaint(rule: Rule) -> str:
    """What is wrong with the fields that all rules have, naming the field; empty when nothing is."""
    if rule.status and not 200 <= rule.status <= 599:
        return "'status' must be from 200 to 599."
    if not 0 <= rule.rate <= 1:
        return "'rate' must be from 0 to 1."
    if not 0 <= rule.delay <= LONGEST_DELAY:
        return f"'delay' must be from 0 to {LONGEST_DELAY} seconds."
    if rule.times is not None and rule.times < 1:
        return "'times' must be at least 1."
    return ""
