from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from entities.user import MAX_REFERENCES, RATE, UserState, gate, remember
from ringback.delivery.notification import GateQuestion
from ringback.delivery.reference import Reference

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def reference(conversation: str = "c1", seen: datetime = NOW, **fields) -> Reference:
    given = {"channel_id": "directline", "service_url": "http://127.0.0.1:1", "bot_id": "bot", "user_id": "ann"}
    return Reference(**{**given, "conversation_id": conversation, "seen_at": seen, **fields})


def question(**fields) -> dict:
    given = {"category": "operations", "priority": "normal", "conversation": "k", "now": NOW}
    return msgspec.to_builtins(GateQuestion(**{**given, **fields}))


def test_the_state_survives_json_as_the_task_hub_keeps_it():
    state = UserState()
    remember(state, msgspec.to_builtins(reference()))
    gate(state, question())
    again = msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(state))), UserState)
    assert again == state


def test_a_late_signal_does_not_replace_a_newer_reference():
    state = UserState()
    remember(state, msgspec.to_builtins(reference(user_name="new", seen=NOW)))
    remember(state, msgspec.to_builtins(reference(user_name="old", seen=NOW - timedelta(seconds=1))))
    assert [kept.user_name for kept in state.references.values()] == ["new"]


def test_only_the_latest_references_are_kept():
    state = UserState()
    for number in range(MAX_REFERENCES + 5):
        remember(state, msgspec.to_builtins(reference(f"c{number}", NOW + timedelta(seconds=number))))
    assert len(state.references) == MAX_REFERENCES
    assert {kept.conversation_id for kept in state.references.values()}.isdisjoint({"c0", "c4"})


def test_the_gate_lets_a_burst_pass_and_then_says_until_when_to_wait():
    state = UserState()
    assert {gate(state, question()).decision for _ in range(RATE.capacity)} == {"send"}
    answer = gate(state, question())
    assert answer.decision == "wait"
    assert answer.until > NOW
    assert gate(state, question(now=answer.until)).decision == "send"


def test_a_critical_message_passes_the_rate():
    state = UserState()
    for _ in range(RATE.capacity + 1):
        gate(state, question())
    assert gate(state, question(priority="critical")).decision == "send"


def test_without_a_conversation_the_latest_one_is_named():
    state = UserState()
    remember(state, msgspec.to_builtins(reference("c1", NOW)))
    remember(state, msgspec.to_builtins(reference("c2", NOW + timedelta(seconds=1))))
    assert gate(state, question(conversation=None)).route[0].reference == reference("c2").key


@pytest.mark.parametrize("broken", [{}, {"now": "yesterday"}, None, "x"])
def test_a_malformed_question_changes_nothing(broken):
    state = UserState()
    with pytest.raises(msgspec.ValidationError):
        gate(state, broken)
    assert state == UserState()


def test_somebody_never_heard_of_is_not_written_to():
    answer = gate(UserState(), question(conversation=None))
    assert answer.decision == "suppressed"
    assert answer.reason.startswith("unknown")
