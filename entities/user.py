"""`user`: one entity a person, keyed by their user key; keeps where they can be reached and how much they were sent.

Operations: `remember` (signal, a Reference) and `gate` (call, a GateQuestion; answers a GateAnswer).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import azure.durable_functions as df
import msgspec

from ringback.delivery.limits import Bucket, Rate, take
from ringback.delivery.notification import GateAnswer, GateQuestion, Stop
from ringback.delivery.reference import Reference

bp = df.Blueprint()
MAX_REFERENCES = 20
RATE = Rate()


class UserState(msgspec.Struct, kw_only=True):
    """The entity's state, as JSON in the task hub; `references` by conversation key, the latest seen last."""

    references: dict[str, Reference] = msgspec.field(default_factory=dict)
    bucket: Bucket | None = None


@bp.entity_trigger(context_name="context")
def user(context: df.DurableEntityContext) -> None:
    """Hand the operation to its function and keep what it changed."""
    stored = context.get_state(lambda: None)
    state = UserState() if stored is None else msgspec.convert(stored, UserState)
    answer = OPERATIONS[context.operation_name](state, context.get_input())
    context.set_state(msgspec.to_builtins(state))
    context.set_result(msgspec.to_builtins(answer))


def remember(state: UserState, given: Any) -> None:
    """Keep the reference of a conversation; a signal that comes late does not replace a newer one."""
    reference = msgspec.convert(given, Reference)
    known = state.references.get(reference.key)
    if known is not None and known.seen_at > reference.seen_at:
        return
    state.references.pop(reference.key, None)
    state.references[reference.key] = reference
    while len(state.references) > MAX_REFERENCES:
        oldest = min(state.references, key=lambda key: state.references[key].seen_at)
        del state.references[oldest]


def gate(state: UserState, given: Any) -> GateAnswer:
    """Whether a message may go out now, and to which conversation.

    The door writes a reference to the table first and signals this entity second, so a conversation that is not known
    here yet is no reason to hold a message back: the sender reads its address from the table.
    """
    question = msgspec.convert(given, GateQuestion)
    if question.priority != "critical":
        state.bucket, again = take(state.bucket, RATE, question.now)
        if again is not None:
            return GateAnswer(decision="wait", until=again)
    conversation = question.conversation or _latest(state)
    if conversation is None:
        return GateAnswer(decision="suppressed", reason="unknown: this person has never written to the bot")
    return GateAnswer(decision="send", route=(Stop(channel="bot", reference=conversation),))


def _latest(state: UserState) -> str | None:
    return max(state.references, key=lambda key: _seen(state, key), default=None)


def _seen(state: UserState, key: str) -> datetime:
    return state.references[key].seen_at


OPERATIONS = {"remember": remember, "gate": gate}
