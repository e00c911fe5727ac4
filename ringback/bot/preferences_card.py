"""The settings card: what is set, as toggles and inputs whose values come back in one submit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from ringback.bot.messages import Message, adaptive_card, message, submit
from ringback.delivery.consent import BOT, EVERY, OPERATIONS, checked_category, consented, is_out
from ringback.delivery.person import Given, UserState, Word
from ringback.delivery.preferences import Preferences, Wish
from ringback.errors import RequestError

Change = tuple[str, Word | Given | Wish]
ACTION = "settings"
EVERYTHING, CATEGORY, CHANNEL = "all", "category:", "channel:"
FROM, UNTIL, ZONE = "quietFrom", "quietUntil", "timeZone"
NAMES = {"sms": "text message", "email": "e-mail"}
MOST_TOGGLES = 20


def settings_message(state: UserState, opt_in: Collection[str] = ()) -> Message:
    """The card, and the same in words for a channel that shows none."""
    span = state.preferences.quiet[0] if state.preferences.quiet else None
    start, end = str(span).split("-") if span else ("", "")
    body = [
        {"type": "TextBlock", "text": "Your messages", "weight": "Bolder", "size": "Medium", "wrap": True},
        _toggle(EVERYTHING, "Messages from this bot", on=not is_out(state.choices, EVERY)),
        *(_toggle(CATEGORY + name, f"About {name}", on=_gets(state, name, opt_in)) for name in offered(state, opt_in)),
        *(_toggle(CHANNEL + kind, f"Also by {_name(kind)}", on=_by(state, kind)) for kind in _kinds(state)),
        {"type": "TextBlock", "text": "Quiet hours: empty for none", "weight": "Bolder", "wrap": True},
        {"type": "Input.Time", "id": FROM, "value": start},
        {"type": "Input.Time", "id": UNTIL, "value": end},
        {"type": "TextBlock", "text": "Time zone, such as Europe/Berlin", "wrap": True},
        {"type": "Input.Text", "id": ZONE, "placeholder": "Europe/Berlin", "value": state.preferences.time_zone},
    ]
    hint = "Say **stop**, **stop** with a category, **start**, or **quiet 22:00-07:00 Europe/Berlin**."
    return message(f"{summary(state)} {hint}", card=adaptive_card(body, [submit("Save", ACTION)]))


def is_filled(value: dict[str, Any]) -> bool:
    """Whether inputs came with the button."""
    return bool(value.keys() & {EVERYTHING, FROM, UNTIL, ZONE})


def changes(value: dict[str, Any], state: UserState, at: datetime, opt_in: Collection[str] = ()) -> list[Change]:
    """What differs on the submitted card from the state that it shows; raises RequestError."""
    found: list[Change] = []
    switched = EVERYTHING in value and _on(value[EVERYTHING]) == is_out(state.choices, EVERY)
    if switched:
        found.append((_verb(value[EVERYTHING]), Word(category=EVERY, at=at)))
    # Whoever turns everything off need not turn off its parts as well.
    if not (switched and not _on(value[EVERYTHING])):
        for name, given in _prefixed(value, CATEGORY):
            category = checked_category(name)
            if category not in {EVERY, OPERATIONS} and _on(given) != _gets(state, category, opt_in):
                found.append((_verb(given), Word(category=category, at=at)))
    for kind, given in _prefixed(value, CHANNEL):
        if kind in state.addresses and _on(given) != _by(state, kind):
            found.append(("consent", Given(channel=kind, granted=_on(given), at=at, source="chat")))
    wish = _wish(value, state.preferences)
    return [*found, ("prefer", wish)] if wish is not None else found


def summary(state: UserState) -> str:
    """What is set, in words."""
    chosen = sorted(name for name in state.choices if name != EVERY)
    outs = [name for name in chosen if is_out(state.choices, name)]
    if is_out(state.choices, EVERY):
        kept = ", ".join(name for name in chosen if name not in outs)
        lead = f"You get no messages but {f'those about {kept} and ' if kept else ''}the answers to what you ask me."
    elif outs:
        lead = f"You get messages, but none about {', '.join(outs)}."
    else:
        lead = "You get all messages."
    return f"{lead} {quiet_line(state.preferences)}"


def quiet_line(preferences: Preferences) -> str:
    """The quiet hours, in words."""
    if not preferences.quiet:
        return "You have no quiet hours."
    spans = " and ".join(str(span) for span in preferences.quiet)
    return f"Your quiet hours are {spans} ({preferences.time_zone}): what comes then waits until they end."


def offered(state: UserState, opt_in: Collection[str]) -> list[str]:
    """The categories that this person was asked about, chose about or may opt in to."""
    known = dict.fromkeys([*state.categories, *state.choices, *opt_in])
    return sorted(name for name in known if name not in {EVERY, OPERATIONS})[:MOST_TOGGLES]


def _gets(state: UserState, category: str, opt_in: Collection[str]) -> bool:
    if is_out(state.choices, category):
        return False
    return category not in opt_in or consented(state.consents, state.choices, BOT, category, opt_in)


def _wish(value: dict[str, Any], preferences: Preferences) -> Wish | None:
    if not value.keys() & {FROM, UNTIL, ZONE}:
        return None
    start, end, zone = (_text(value, name) for name in (FROM, UNTIL, ZONE))
    if bool(start) != bool(end):
        raise RequestError("Quiet hours need both a start and an end, or neither.")
    # The card shows the first span alone: the others stay unless it takes quiet hours away.
    others = [str(span) for span in preferences.quiet[1:]] if start else []
    return Wish(quiet_hours=[f"{start}-{end}", *others] if start else [], time_zone=zone or None)


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found.strip() if isinstance(found, str) else ""


def _toggle(identity: str, title: str, *, on: bool) -> Message:
    value = "true" if on else "false"
    return {"type": "Input.Toggle", "id": identity, "title": title, "value": value, "wrap": True}


def _prefixed(value: dict[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    return [(name.removeprefix(prefix), given) for name, given in value.items() if name.startswith(prefix)]


def _kinds(state: UserState) -> list[str]:
    return [kind for kind in state.addresses if kind != BOT]


def _by(state: UserState, kind: str) -> bool:
    return consented(state.consents, state.choices, kind, EVERY)


def _on(given: Any) -> bool:
    return given is True or (isinstance(given, str) and given.casefold() == "true")


def _verb(given: Any) -> str:
    return "opt_in" if _on(given) else "opt_out"


def _name(kind: str) -> str:
    return NAMES.get(kind, kind)
