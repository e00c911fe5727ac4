"""Builders that the tests about people share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback.delivery.gate import gate
from ringback.delivery.notification import GateAnswer, GateQuestion
from ringback.delivery.person import (
    Given,
    Heard,
    Registration,
    UserState,
    consent,
    load,
    perform,
    register,
    remember,
)
from ringback.delivery.reference import Reference

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def reference(conversation: str = "c1", seen: datetime = NOW, **fields: Any) -> Reference:
    given = {"channel_id": "directline", "service_url": "http://127.0.0.1:1", "bot_id": "bot", "user_id": "ann"}
    return Reference(**{**given, "conversation_id": conversation, "seen_at": seen, **fields})


def heard(conversation: str = "c1", seen: datetime = NOW, *, wrote: bool = True, **fields: Any) -> Heard:
    return Heard(reference=reference(conversation, seen, **fields), wrote=wrote)


def writer(*conversations: str) -> UserState:
    """Somebody who has written to the bot."""
    state = load(None)
    for name in conversations or ("c1",):
        remember(state, heard(name))
    return state


def question(**fields: Any) -> GateQuestion:
    return GateQuestion(**{"category": "orders", "priority": "normal", "now": NOW, **fields})


def ask(state: UserState, opt_in: tuple[str, ...] = (), **fields: Any) -> GateAnswer:
    return gate(state, question(**fields), opt_in)


def reasons(state, **fields):
    answer = ask(state, **fields)
    assert (answer.decision, answer.route, answer.until) == ("suppressed", (), None)
    return answer.reason


def channels(state, **fields):
    return [stop.channel for stop in ask(state, **fields).route]


def with_addresses(**consents):
    state = writer()
    register(state, Registration(addresses={"sms": "sms-1", "email": "email-1"}))
    for channel, category in consents.items():
        consent(state, Given(channel=channel, category=category, at=NOW))
    return state


def plain(word: Any) -> Any:
    """As JSON carries it."""
    return msgspec.json.decode(msgspec.json.encode(word))


class Entities:
    """`user` entities that do at once what they are told; `told` keeps it all in order."""

    def __init__(self) -> None:
        self.states: dict[str, UserState] = {}
        self.told: list[tuple[str, str, Any]] = []

    def do(self, user: str, operation: str, word: msgspec.Struct) -> None:
        perform(self.states.setdefault(user, load(None)), operation, plain(word))

    async def signal(self, user: str, operation: str, payload: Any) -> None:
        json = plain(payload)
        self.told.append((user, operation, json))
        perform(self.states.setdefault(user, load(None)), operation, json)

    async def read(self, user: str) -> UserState | None:
        state = self.states.get(user)
        return None if state is None else load(plain(state))
