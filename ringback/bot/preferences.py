"""What a person says about being written to: stop, start, quiet hours, the card with all of it, and being forgotten.

What was said is told to the person's entity, which does it a moment later; so each answer says what will be, not what
the entity had when it was read.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback.bot import preferences_card as card
from ringback.bot.inbound import Inbound
from ringback.bot.messages import Message, message, say
from ringback.delivery.consent import EVERY, OPERATIONS, SLUG
from ringback.delivery.erasure import erase_user
from ringback.delivery.people import UserEntities
from ringback.delivery.person import Given, UserState, Word, load, perform
from ringback.delivery.preferences import Wish
from ringback.delivery.quiet_hours import parse_span
from ringback.delivery.time_zones import find_zone
from ringback.delivery.waiting import suppress_waiting, tell_and_wake
from ringback.errors import RequestError
from ringback.operations import catalogue
from ringback.operations.desk import DurableEngine
from ringback.settings import Settings
from ringback.tables.service import Tables

COMMAND = re.compile(
    r"/?(stop|unsubscribe|start|subscribe|quiet|settings|preferences)(?:[:,\s]+(.*?))?[\s.!]*",
    re.IGNORECASE | re.DOTALL,
)
ERASE = re.compile(
    r"/?(?:please\s+)?(?:erase|delete|forget)[\s-]+(?:all[\s-]+(?:of[\s-]+)?)?(?:my[\s-]+data|me)([\s-]+now)?[\s.!]*",
    re.IGNORECASE,
)
ALL_WORDS = {"all", "everything", "messages", "notifications", "*"}
NO_CATEGORIES = {"it", "that", "this", "now", "please"}
OFF_WORDS = {"off", "none", "no", "never", "stop", "end"}
QUIET_FORM = "Write it as **quiet 22:00-07:00 Europe/Berlin**, or **quiet off**."


class PreferencesDesk:
    """Answers what a person says about being written to."""

    def __init__(self, tables: Tables, engine: DurableEngine, entities: UserEntities, config: Settings) -> None:
        self._tables = tables
        self._engine = engine
        self._entities = entities
        self._config = config

    async def said(self, inbound: Inbound, text: str) -> Message | None:
        """The answer to one of these commands; None for what is none of them and is the dialogue's to answer."""
        erase = ERASE.fullmatch(text)
        if erase is not None:
            return await self._erase(inbound, sure=erase[1] is not None)
        found = COMMAND.fullmatch(text)
        if found is None:
            return None
        verb, rest = found[1].casefold(), (found[2] or "").strip(" .!")
        if verb in {"stop", "unsubscribe"}:
            return await self._stop(inbound, rest)
        if verb in {"start", "subscribe"}:
            return await self._start(inbound, rest)
        if verb == "quiet":
            return await self._quiet(inbound, rest)
        return None if rest else card.settings_message(await self._state(inbound), self._config.opt_in_categories)

    async def pressed(self, inbound: Inbound, value: dict[str, Any]) -> Message:
        """The card came back: with what was set on it, or from a button that only asks for it."""
        state = await self._state(inbound)
        if not card.is_filled(value):
            return card.settings_message(state, self._config.opt_in_categories)
        try:
            changes = card.changes(value, state, inbound.reference.seen_at, self._config.opt_in_categories)
            for operation, word in changes:
                perform(state, operation, msgspec.to_builtins(word))
        except RequestError as error:
            return message(f"{error} Nothing was changed.", actions=[say("Settings", "settings")])
        await self._tell(inbound, changes)
        outs = [word.category for operation, word in changes if operation == "opt_out" and isinstance(word, Word)]
        taken_back = [await self._suppress(inbound, category) for category in outs]
        return message(f"Saved. {card.summary(state)}{_taken_back(sum(taken_back))}")

    async def _stop(self, inbound: Inbound, rest: str) -> Message | None:
        category = _category(rest)
        if category == OPERATIONS:
            return message("What you ask me for, I answer. Say **cancel** to stop what is running.")
        if category is None:
            return message(
                f"Shall I stop all messages, or those of one category? There is none called “{rest[:60]}”.",
                actions=[say("Stop all", "stop"), say("Settings", "settings")],
            )
        word = Word(category=category, at=inbound.reference.seen_at)
        try:
            perform(await self._state(inbound), "opt_out", msgspec.to_builtins(word))
        except RequestError as error:
            return message(str(error))
        await self._tell(inbound, [("opt_out", word)])
        taken_back = _taken_back(await self._suppress(inbound, category))
        if category == EVERY:
            text = (
                f"You will get no more messages but the answers to what you ask me.{taken_back} Say **start** to undo."
            )
            return message(text, actions=[say("Start again", "start"), say("Settings", "settings")])
        text = f"You will get no more messages about **{category}**.{taken_back} Say **start {category}** to undo."
        return message(text, actions=[say(f"Start {category}", f"start {category}"), say("Settings", "settings")])

    async def _start(self, inbound: Inbound, rest: str) -> Message | None:
        category, state = _category(rest), await self._state(inbound)
        if category is None or not self._concerns(state, category) or catalogue.chosen(f"start {rest}"):
            return None
        word = Word(category=category, at=inbound.reference.seen_at)
        await self._tell(inbound, [("opt_in", word)])
        about = "messages again" if category == EVERY else f"messages about **{category}**"
        return message(
            f"You will get {about}. Say **settings** to see what is set.", actions=[say("Settings", "settings")]
        )

    def _concerns(self, state: UserState, category: str) -> bool:
        """Whether `start` means this, and not a greeting or an operation to be started."""
        if category == EVERY:
            return any(choice.out for choice in state.choices.values())
        known = {*state.choices, *state.categories, *self._config.opt_in_categories}
        return category in known

    async def _quiet(self, inbound: Inbound, rest: str) -> Message | None:
        state = await self._state(inbound)
        if not rest:
            return message(f"{card.quiet_line(state.preferences)} {QUIET_FORM}", actions=[say("Settings", "settings")])
        try:
            wish = _quiet_wish(rest, state, inbound)
            perform(state, "prefer", msgspec.to_builtins(wish))
        except RequestError as error:
            return message(f"{error} {QUIET_FORM}")
        await self._tell(inbound, [("prefer", wish)])
        return message(card.quiet_line(state.preferences), actions=[say("Settings", "settings")])

    async def _erase(self, inbound: Inbound, *, sure: bool) -> Message:
        """Ask once; the answer to the second goes out with this turn, the last that this person gets."""
        if not sure:
            return message(
                "Shall I erase all that I know of you? Your conversations, addresses and settings go, what waits for "
                "you, what you were sent, and what you had me do; what runs is cancelled. This cannot be undone.",
                actions=[say("Erase all of it", "erase my data now"), say("Keep it", "settings")],
            )
        now = datetime.now(timezone.utc)
        await erase_user(self._tables, self._engine, self._entities, inbound.reference.user_key, now)
        return message("You are forgotten: nothing will be sent to you. Write to me, and we begin anew.")

    async def _state(self, inbound: Inbound) -> UserState:
        return await self._entities.read(inbound.reference.user_key) or load(None)

    async def _tell(self, inbound: Inbound, changes: list[tuple[str, Word | Given | Wish]]) -> None:
        await tell_and_wake(self._tables, self._engine, self._entities, inbound.reference.user_key, changes)

    async def _suppress(self, inbound: Inbound, category: str) -> int:
        return await suppress_waiting(self._tables, self._engine, inbound.reference.user_key, category)


def _category(rest: str) -> str | None:
    """The category that is meant, * for all; None when the words are no category's name."""
    words = re.sub(r"^(?:the\s+|all\s+)?(.*?)(?:\s+(?:messages|notifications))?$", r"\1", rest.casefold()).strip()
    if not words or words in ALL_WORDS:
        return EVERY
    return words if SLUG.fullmatch(words) and words not in NO_CATEGORIES else None


def _quiet_wish(rest: str, state: UserState, inbound: Inbound) -> Wish:
    """Spans and a zone out of words; without a zone the one that is set, else the one that the channel tells."""
    if rest.casefold() in OFF_WORDS:
        return Wish(quiet_hours=[])
    found = re.fullmatch(
        r"((?:[\d:]+\s*(?:[-\u2013\u2014]|to|until)\s*[\d:]+[\s,;]*(?:and\s+)?)+)(.*)", rest, re.IGNORECASE
    )
    if found is None:
        parse_span(rest)
        raise RequestError(f"I don't understand {rest[:60]!r} as quiet hours.")
    spans = re.findall(r"[\d:]+\s*(?:[-\u2013\u2014]|to|until)\s*[\d:]+", found[1], re.IGNORECASE)
    zone = found[2].strip() or state.preferences.time_zone or find_zone(inbound.time_zone or "") or ""
    if not zone:
        raise RequestError("Which time zone are you in?")
    return Wish(quiet_hours=spans, time_zone=zone)


def _taken_back(count: int) -> str:
    if not count:
        return ""
    return (
        " One message that was waiting was taken back." if count == 1 else f" {count} waiting messages were taken back."
    )
