"""The gate: whether a message may go to a person now, later or not at all, and by which ways.

    erased ▸ opted out ▸ a way with consent that the channel has not closed ▸ expired ▸ quiet hours ▸ rate ▸ send

critical passes quiet hours and rate, `operations` passes opt-outs and quiet hours; nothing passes an erasure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from ringback.channels.teams import TEAMS
from ringback.delivery.consent import BOT, EVERY, OPERATIONS, SLUG, consented, is_out
from ringback.delivery.limits import Rate, take
from ringback.delivery.notification import GateAnswer, GateQuestion, Stop
from ringback.delivery.person import DOUBTED, UserState, asked_about
from ringback.delivery.preferences import ordered
from ringback.delivery.quiet_hours import quiet_until
from ringback.delivery.reference import Reference

RATE = Rate()
CRITICAL = "critical"
# More conversations than this on one kind of channel are old ones.
MOST_WAYS = 3

SUPPRESSED, WAIT, SEND = "suppressed", "wait", "send"
# Reasons whose code says that the channel refused this person before: no rule of ours.
CHANNELS_WORD = ("blocked", "not-installed", "gone")


def gate(state: UserState, question: GateQuestion, opt_in: Collection[str] = ()) -> GateAnswer:
    """Decide, and count what may go out; `opt_in` names the categories that need a person's own word."""
    # Doors check categories; one that they would not take now is no reason to hang an orchestration.
    category = question.category.strip().casefold()
    if state.erased_at is not None:
        return _suppressed("erased: this person asked to be forgotten")
    if category != OPERATIONS and SLUG.fullmatch(category):
        asked_about(state, category)
    if is_out(state.choices, category):
        return _suppressed(f"opted-out: {category}")
    route = _route(state, question, category, opt_in)
    if isinstance(route, str):
        return _suppressed(route)
    if question.expires_at is not None and question.now >= question.expires_at:
        return _expired(question.expires_at)
    if question.priority != CRITICAL:
        until, why = _pause(state, question, category)
        if until is not None:
            if question.expires_at is not None and until >= question.expires_at:
                return _expired(question.expires_at)
            return GateAnswer(decision=WAIT, until=until, reason=why)
    return GateAnswer(decision=SEND, route=route, locale=state.preferences.locale or None)


def _pause(state: UserState, question: GateQuestion, category: str) -> tuple[datetime | None, str]:
    preferences = state.preferences
    if category != OPERATIONS:
        until = quiet_until(preferences.quiet, preferences.time_zone, question.now)
        if until is not None:
            return until, f"quiet-hours: until {until.isoformat()} ({preferences.time_zone})"
    if question.counted:
        return None, ""
    until = _take(state, question.now, category)
    return until, "rate: enough messages for now"


def _take(state: UserState, now: datetime, category: str) -> datetime | None:
    """One token of every bucket that counts, or of none when one of them is empty: then when to ask again."""
    rates = state.preferences.rates
    whole, wait = take(state.bucket, rates.get(EVERY, RATE), now)
    own, later = None, None
    if category in rates:
        own, later = take(state.buckets.get(category), rates[category], now)
    # An empty bucket keeps the time that it promised; a full one gives nothing away while the other is empty.
    if wait is not None or later is None:
        state.bucket = whole
    if own is not None and (later is not None or wait is None):
        state.buckets[category] = own
    return max(filter(None, (wait, later)), default=None)


def _route(state: UserState, question: GateQuestion, category: str, opt_in: Collection[str]) -> tuple[Stop, ...] | str:
    """The ways to this person, the best first, or the reason why there is none."""
    found = ways(state, question)
    if isinstance(found, str):
        return found
    allowed = [stop for stop in found if _consented(state, stop, category, opt_in)]
    if not allowed:
        channels = ", ".join(dict.fromkeys(stop.channel for stop in found))
        return f"no-consent: {category} by {channels}"
    usable = [stop for stop in allowed if _is_open(state, stop)]
    if not usable:
        word = max((state.reach[stop.reference] for stop in allowed), key=lambda reach: reach.at)
        return f"{word.state}: said by the channel at {word.at.isoformat()}"
    return tuple(stop for kind in _kinds(usable) for stop in _of_kind(usable, kind)[:MOST_WAYS])


def ways(state: UserState, question: GateQuestion) -> list[Stop] | str:
    """Every way that there is and was asked for, as the person prefers them, or the reason why there is none.

    Without a conversation named, what is meant for one person does not go into a group. The address of the bot's own
    channels stands for a conversation on Teams that is opened first; where there is one, it is no way.
    """
    wanted = question.channels
    if question.conversation is not None:
        # The door writes a reference to the table first and tells this entity after: one not known here may be there.
        if wanted is not None and BOT not in wanted:
            return f"no-channel: a conversation is on {BOT}, and {', '.join(wanted)} was asked for"
        return [Stop(channel=BOT, reference=question.conversation)]
    talks = sorted((talk for talk in state.references.values() if talk.is_own), key=_seen, reverse=True)
    by_kind: dict[str, list[Stop]] = {BOT: [Stop(channel=BOT, reference=reference.key) for reference in talks]}
    for kind, key in state.addresses.items():
        if kind != BOT or not any(talk.channel_id == TEAMS for talk in talks):
            by_kind.setdefault(kind, []).append(Stop(channel=kind, reference=key))
    kinds = ordered(state.preferences, [kind for kind, stops in by_kind.items() if stops])
    found = [stop for kind in kinds if wanted is None or kind in wanted for stop in by_kind[kind]]
    if found:
        return found
    if not kinds:
        return "unknown: this person has never written to the bot, and no address of theirs is registered"
    return f"no-channel: this person is reached by {', '.join(kinds)} alone"


def _consented(state: UserState, stop: Stop, category: str, opt_in: Collection[str]) -> bool:
    # Behind an address of the bot's channels is somebody who may never have written to it.
    implied = stop.reference != state.addresses.get(BOT)
    return consented(state.consents, state.choices, stop.channel, category, opt_in, implied=implied)


def _is_open(state: UserState, stop: Stop) -> bool:
    reach = state.reach.get(stop.reference)
    return reach is None or reach.state == DOUBTED


def _kinds(stops: Iterable[Stop]) -> Iterable[str]:
    return dict.fromkeys(stop.channel for stop in stops)


def _of_kind(stops: Iterable[Stop], kind: str) -> list[Stop]:
    return [stop for stop in stops if stop.channel == kind]


def _seen(reference: Reference) -> datetime:
    return reference.seen_at


def _suppressed(reason: str) -> GateAnswer:
    return GateAnswer(decision=SUPPRESSED, reason=reason)


def _expired(at: datetime) -> GateAnswer:
    return _suppressed(f"expired: it was wanted before {at.isoformat()}")
