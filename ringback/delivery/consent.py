"""Who may be written to about what: opt-outs by category, and consent by channel and category.

Writing to the bot consents to every category on the bot's channels; SMS and e-mail need consent that was recorded.
A category marked opt-in (the setting OPT_IN_CATEGORIES) needs the person's own word besides. The latest word counts: of
what was said about one category and about all of them, the later one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

import msgspec

from ringback.errors import RequestError

EVERY = "*"
# Answers to what a person asked for: consent implied, by asking.
OPERATIONS = "operations"
BOT = "bot"
SOURCES = ("wrote", "chat", "api", "import")
SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
# A person's state is read and written whole at every question.
MAX_CATEGORIES = 100
MAX_CONSENTS = 100


class Choice(msgspec.Struct, frozen=True):
    """What a person said about a category: `out` or not, when, and where they said it."""

    out: bool
    at: datetime
    source: str


class Consent(msgspec.Struct, frozen=True):
    """Whether a channel may be used for a category, since when, and how we know."""

    granted: bool
    at: datetime
    source: str


Choices = dict[str, Choice]
Consents = dict[str, Consent]


def checked_category(text: str, field: str = "category") -> str:
    """The category's slug, or * for every one; RequestError for what is none."""
    found = text.strip().casefold()
    if found != EVERY and not SLUG.fullmatch(found):
        message = f"{text[:40]!r} is no category: use up to 64 letters, digits, dots, dashes and underscores."
        raise RequestError(message, field=field)
    return found


def checked_channel(text: str, field: str = "channel") -> str:
    """The slug of a kind of channel, such as bot, sms or email; RequestError for what is none."""
    found = text.strip().casefold()
    if not SLUG.fullmatch(found):
        raise RequestError(f"{text[:40]!r} is no kind of channel: use bot, sms or email.", field=field)
    return found


def checked_source(text: str, field: str = "source") -> str:
    """One of SOURCES, or RequestError."""
    if text not in SOURCES:
        raise RequestError(f"{text[:40]!r} is no source of consent: use one of {', '.join(SOURCES)}.", field=field)
    return text


def choose(choices: Choices, category: str, choice: Choice) -> None:
    """Keep what was said about a category unless something later was said; an opt-out at the same moment wins.

    A word about every category takes the place of earlier ones: an opt-out of all of them, one's own opt-ins too.
    """
    if category == OPERATIONS and choice.out:
        message = "Results of what a person asked for cannot be opted out of: cancel the operation."
        raise RequestError(message, field="category")
    standing = _latest(choices, category)
    if standing is not None and (standing.at, standing.out) > (choice.at, choice.out):
        return
    if category not in {EVERY, *choices} and len(choices) >= MAX_CATEGORIES:
        raise RequestError(
            f"There may be choices about {MAX_CATEGORIES} categories: say stop to all.", field="category"
        )
    choices[category] = choice
    if category == EVERY:
        for name in [name for name, known in choices.items() if name != EVERY and _gives_way(known, choice)]:
            del choices[name]


def is_out(choices: Choices, category: str) -> bool:
    """Whether a person opted out of a category, or of all."""
    standing = _latest(choices, category)
    return standing is not None and standing.out and category != OPERATIONS


def record(consents: Consents, channel: str, category: str, consent: Consent) -> None:
    """Keep consent for a channel and a category, or its refusal; the later one stands, of the same one the first."""
    key = f"{channel}/{category}"
    known = consents.get(key)
    if known is not None and (known.at > consent.at or (known.granted and consent.granted)):
        return
    if known is None and len(consents) >= MAX_CONSENTS and (channel, category) != (BOT, EVERY):
        raise RequestError(f"There may be {MAX_CONSENTS} consents of one person.", field="consents")
    consents[key] = consent


def consented(
    consents: Consents,
    choices: Choices,
    channel: str,
    category: str,
    opt_in: Collection[str] = (),
    *,
    implied: bool = True,
) -> bool:
    """Whether a channel may be used for a category, opt-outs aside.

    Without `implied` an answer to a question needs recorded consent too: who never wrote has asked nothing.
    """
    if category == OPERATIONS and channel == BOT and implied:
        return True
    specific, general = consents.get(f"{channel}/{category}"), consents.get(f"{channel}/{EVERY}")
    if category in opt_in:
        asked_for = (choice := choices.get(category)) is not None and not choice.out
        return _grants(specific) or (asked_for and _grants(general))
    found = max(filter(None, (specific, general)), key=lambda consent: consent.at, default=None)
    return _grants(found)


def _grants(consent: Consent | None) -> bool:
    return consent is not None and consent.granted


def _latest(choices: Choices, category: str) -> Choice | None:
    """The word that stands for a category: its own or the one about all, whichever is later."""
    found = [choices[name] for name in dict.fromkeys((category, EVERY)) if name in choices]
    return max(found, key=lambda choice: (choice.at, choice.out), default=None)


def _gives_way(known: Choice, general: Choice) -> bool:
    return (known.at, known.out) <= (general.at, general.out) and (general.out or known.out)
