"""The state of one person, and what changes it; `gate.py` decides by it.

Every function takes the state and edits it in place, or raises RequestError before it has changed anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback.delivery.consent import (
    BOT,
    EVERY,
    Choice,
    Choices,
    Consent,
    Consents,
    checked_category,
    checked_channel,
    checked_source,
    choose,
    record,
)
from ringback.delivery.limits import Bucket
from ringback.delivery.preferences import Preferences, Wish, changed
from ringback.delivery.reference import Reference
from ringback.errors import RequestError

MAX_REFERENCES = 20
MAX_ADDRESSES = 10
MAX_SEEN_CATEGORIES = 20
# Version 1 is what stood here before consent was kept: whoever was remembered then had written to the bot.
VERSION = 2

BLOCKED, NOT_INSTALLED, DOUBTED, GONE = "blocked", "not-installed", "doubted", "gone"
# What a channel's answer (ringback.channels.port.Reaction) makes of the reference it was given for.
REACTIONS = {"until-user-writes": BLOCKED, "until-installed": NOT_INSTALLED, "confirm-gone": DOUBTED, "gone": GONE}


class Reach(msgspec.Struct, frozen=True):
    """Why a reference or an address cannot be used, and since when; doubted is one answer short of gone."""

    state: str
    at: datetime


class UserState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The `user` entity's state, as JSON in the task hub.

    `references` by conversation key; `addresses`: kind of channel to the key of its row, never the address itself;
    `reach` by either key; `buckets` by category, `bucket` for all; `categories` that were asked about, latest last.
    """

    version: int = 1
    references: dict[str, Reference] = msgspec.field(default_factory=dict)
    addresses: dict[str, str] = msgspec.field(default_factory=dict)
    reach: dict[str, Reach] = msgspec.field(default_factory=dict)
    consents: Consents = msgspec.field(default_factory=dict)
    choices: Choices = msgspec.field(default_factory=dict)
    preferences: Preferences = Preferences()
    bucket: Bucket | None = None
    buckets: dict[str, Bucket] = msgspec.field(default_factory=dict)
    categories: list[str] = msgspec.field(default_factory=list)
    erased_at: datetime | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `remember`: where somebody was heard, and whether they wrote or only came in."""

    reference: Reference
    wrote: bool = True


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `opt_out` and `opt_in`: about which category, * for all, said when and where."""

    category: str = EVERY
    at: datetime
    source: str = "chat"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `consent`: a channel may be used for a category, or may not (any more)."""

    channel: str
    category: str = EVERY
    granted: bool = True
    at: datetime
    source: str = "api"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `register`: the key of the address of each kind of channel; null for none any more."""

    addresses: dict[str, str | None]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `channel_said`: what a channel's answer means for a reference or an address; one of REACTIONS."""

    reference: str
    reaction: str
    at: datetime


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `installed`: the app was installed where this reference points, or taken away from there.

    `personal` tells that it is a person's own talk on Teams, which the bot may have opened before they were heard.
    """

    reference: str
    installed: bool
    at: datetime
    personal: bool = False


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `erase`."""

    at: datetime


def load(stored: Any) -> UserState:
    """The state out of the task hub's JSON, of this version or of an earlier one."""
    state = UserState(version=VERSION) if stored is None else msgspec.convert(stored, UserState)
    if state.version < VERSION:
        first = min((reference.seen_at for reference in state.references.values()), default=None)
        if first is not None:
            state.consents.setdefault(f"{BOT}/{EVERY}", Consent(granted=True, at=first, source="wrote"))
        state.version = VERSION
    return state


def remember(state: UserState, heard: Heard) -> None:
    """Keep where a person was heard; a word that comes late neither replaces a newer one nor undoes an erasure."""
    reference = heard.reference
    if state.erased_at is not None:
        if reference.seen_at <= state.erased_at or not heard.wrote:
            return
        state.erased_at = None
    if heard.wrote:
        record(state.consents, BOT, EVERY, Consent(granted=True, at=reference.seen_at, source="wrote"))
    _reached(state, reference.key, reference.seen_at, wrote=heard.wrote)
    known = state.references.get(reference.key)
    if known is not None and known.seen_at > reference.seen_at:
        return
    state.references.pop(reference.key, None)
    state.references[reference.key] = reference
    while len(state.references) > MAX_REFERENCES:
        oldest = min(state.references, key=lambda key: state.references[key].seen_at)
        del state.references[oldest]
        state.reach.pop(oldest, None)


def opt_out(state: UserState, word: Word) -> None:
    """Nothing more of this category, or of any."""
    if state.erased_at is None:
        choose(state.choices, checked_category(word.category), _choice(word, out=True))


def opt_in(state: UserState, word: Word) -> None:
    """This category again, or all that were opted out of."""
    if state.erased_at is None:
        choose(state.choices, checked_category(word.category), _choice(word, out=False))


def consent(state: UserState, given: Given) -> None:
    """Record consent for a channel, or that it was taken back."""
    channel, category = checked_channel(given.channel), checked_category(given.category)
    _refuse_erased(state)
    kept = Consent(granted=given.granted, at=_utc(given.at), source=checked_source(given.source))
    record(state.consents, channel, category, kept)


def prefer(state: UserState, wish: Wish) -> None:
    """Change what a person prefers."""
    _refuse_erased(state)
    state.preferences = changed(state.preferences, wish)
    kept = state.preferences.rates
    state.buckets = {category: bucket for category, bucket in state.buckets.items() if category in kept}
    if wish.rates is not msgspec.UNSET:
        # Whoever was sent away is woken and asks again: the times that were promised at the old rate are void.
        state.bucket = _unpromised(state.bucket) if state.bucket else None
        state.buckets = {category: _unpromised(bucket) for category, bucket in state.buckets.items()}


def register(state: UserState, registration: Registration) -> None:
    """Keep the keys of addresses; a new one starts without the old one's marks."""
    _refuse_erased(state)
    kinds = {checked_channel(kind, "addresses"): key for kind, key in registration.addresses.items()}
    found = {kind: key for kind, key in {**state.addresses, **kinds}.items() if key}
    if len(found) > MAX_ADDRESSES:
        raise RequestError(f"There may be {MAX_ADDRESSES} addresses of one person.", field="addresses")
    for kind in kinds:
        state.reach.pop(state.addresses.get(kind, ""), None)
    state.addresses = found


def channel_said(state: UserState, said: Said) -> None:
    """Mark a reference by a channel's answer: gone only once a second answer, to a later message, says the same."""
    found = REACTIONS.get(said.reaction)
    if found is None or not _has(state, said.reference):
        return
    heard, at = state.references.get(said.reference), _utc(said.at)
    known = state.reach.get(said.reference)
    # What was answered before the person was heard again is no longer so.
    if (heard is not None and heard.seen_at > at) or (known is not None and known.at > at):
        return
    if found == DOUBTED and known is not None:
        if known.state in {BLOCKED, NOT_INSTALLED, GONE} or known.at == at:
            return
        found = GONE
    state.reach[said.reference] = Reach(found, at)


def installed(state: UserState, word: Installed) -> None:
    """The app came to where this reference points, or left it."""
    for key in (word.reference, *([state.addresses.get(BOT, "")] if word.personal else ())):
        at, known = _utc(word.at), state.reach.get(key)
        if not _has(state, key) or (known is not None and known.at > at):
            continue
        if not word.installed:
            state.reach[key] = Reach(NOT_INSTALLED, at)
        elif known is not None and known.state in {NOT_INSTALLED, DOUBTED, GONE}:
            del state.reach[key]


def erase(state: UserState, erasure: Erasure) -> None:
    """Forget what was known until then, and keep only that this person was forgotten.

    Nothing is sent to them until they write again; who has written since is somebody new.
    """
    at = _utc(erasure.at)
    newer = sorted((ref for ref in state.references.values() if ref.seen_at > at), key=lambda ref: ref.seen_at)
    empty = UserState(version=VERSION, erased_at=at)
    for name in UserState.__struct_fields__:
        setattr(state, name, getattr(empty, name))
    for reference in newer:
        remember(state, Heard(reference=reference))


def asked_about(state: UserState, category: str) -> None:
    """Note a category, so that the person can be offered to opt out of it."""
    if category in state.categories:
        return
    state.categories.append(category)
    del state.categories[:-MAX_SEEN_CATEGORIES]


def _unpromised(bucket: Bucket) -> Bucket:
    return msgspec.structs.replace(bucket, promised=None)


def _choice(word: Word, *, out: bool) -> Choice:
    return Choice(out=out, at=_utc(word.at), source=checked_source(word.source))


def _has(state: UserState, key: str) -> bool:
    return key in state.references or key in state.addresses.values()


def _reached(state: UserState, key: str, at: datetime, *, wrote: bool) -> None:
    """Whoever writes is not blocked, and whoever's client speaks to us has us installed."""
    known = state.reach.get(key)
    if known is not None and at >= known.at and (wrote or known.state != BLOCKED):
        del state.reach[key]


def _refuse_erased(state: UserState) -> None:
    if state.erased_at is not None:
        raise RequestError("This person was erased; they come back by writing to the bot.", field="id")


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise RequestError("A time needs a time zone, such as 2026-03-01T09:00:00Z.", field="at")
    return at.astimezone(timezone.utc)


OPERATIONS: dict[str, tuple[Any, Callable[[UserState, Any], None]]] = {
    "remember": (Heard, remember),
    "opt_out": (Word, opt_out),
    "opt_in": (Word, opt_in),
    "consent": (Given, consent),
    "prefer": (Wish, prefer),
    "register": (Registration, register),
    "channel_said": (Said, channel_said),
    "installed": (Installed, installed),
    "erase": (Erasure, erase),
}


def perform(state: UserState, operation: str, given: Any) -> None:
    """Run one operation, its input as JSON. Raises ValueError for an unknown one, ValidationError, or RequestError."""
    if operation not in OPERATIONS:
        raise ValueError(f"There is no operation {operation!r}: use gate or one of {', '.join(OPERATIONS)}.")
    shape, change = OPERATIONS[operation]
    if operation == "remember" and isinstance(given, dict) and "reference" not in given:
        # Signals that were on their way when this operation still took the bare reference.
        given = {"reference": given}
    change(state, msgspec.convert(given, shape))
