"""When the gate lets a message go: quiet hours, rates, and after an erasure."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.delivery.gate import RATE
from ringback.delivery.person import (
    Erasure,
    Registration,
    Word,
    erase,
    opt_in,
    opt_out,
    prefer,
    register,
    remember,
)
from ringback.delivery.preferences import RateWish, Wish
from ringback.errors import RequestError
from tests.unit.app.people import NOW, ask, channels, heard, reasons, reference, with_addresses, writer

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def night(state):
    prefer(state, Wish(quiet_hours=["22:00-07:00"], time_zone="Europe/Berlin"))
    return NOW.replace(hour=23)


def test_quiet_hours_defer_to_their_end_on_the_persons_clock():
    state = writer()
    now = night(state)
    answer = ask(state, now=now)
    assert (answer.decision, answer.until) == ("wait", NOW.replace(day=2, hour=6))
    assert answer.reason.startswith("quiet-hours: ")
    assert ask(state, now=answer.until).decision == "send"
    assert ask(state, now=now, category="operations").decision == "send"
    assert ask(state, now=now, priority="critical").decision == "send"
    assert ask(state, now=now, priority="high").decision == "wait"


def test_what_expires_before_the_quiet_hours_end_is_suppressed():
    state = writer()
    now = night(state)
    until = ask(state, now=now).until
    assert reasons(state, now=now, expires_at=until).startswith("expired: ")
    assert ask(state, now=now, expires_at=until + SECOND).decision == "wait"
    assert reasons(state, expires_at=NOW).startswith("expired: ")
    assert reasons(state, expires_at=NOW, priority="critical").startswith("expired: ")


def test_waiting_takes_nothing_from_the_rate():
    state = writer()
    now = night(state)
    for _ in range(RATE.capacity * 2):
        ask(state, now=now)
    assert state.bucket is None


def test_the_gate_lets_a_burst_pass_and_then_says_until_when_to_wait():
    state = writer()
    assert {ask(state).decision for _ in range(RATE.capacity)} == {"send"}
    answer = ask(state)
    assert answer.decision == "wait"
    assert answer.reason.startswith("rate: ")
    assert ask(state, priority="critical").decision == "send"
    assert reasons(state, expires_at=answer.until).startswith("expired: ")
    assert ask(state, now=answer.until).decision == "send"


def test_a_rate_of_a_category_binds_it_and_costs_no_other():
    state = writer()
    prefer(state, Wish(rates={"news": RateWish(1, 86_400)}))
    assert ask(state, category="news").decision == "send"
    left = state.bucket
    answer = ask(state, category="news")
    assert answer.decision == "wait"
    assert timedelta(0) <= answer.until - (NOW + 24 * HOUR) < SECOND
    assert state.bucket == left
    assert ask(state).decision == "send"
    prefer(state, Wish(rates={"news": None}))
    assert state.buckets == {}


def test_a_rate_of_ones_own_takes_the_place_of_the_systems():
    state = writer()
    prefer(state, Wish(rates={"*": RateWish(2, 60)}))
    assert [ask(state).decision for _ in range(3)] == ["send", "send", "wait"]


def test_who_was_let_through_before_takes_no_more_of_the_rate():
    state = writer()
    prefer(state, Wish(rates={"orders": RateWish(1, 86_400)}))
    assert [ask(state, counted=counted).decision for counted in (False, True, True)] == ["send"] * 3
    assert ask(state).decision == "wait"
    assert ask(state, now=night(state), counted=True).decision == "wait"


def test_the_fastest_rate_that_is_taken_can_be_reckoned_with():
    state = writer()
    prefer(state, Wish(rates={"*": RateWish(10_000, 10)}))
    assert {ask(state, now=NOW + count * SECOND).decision for count in range(5)} == {"send"}
    for messages, seconds in ((10_000, 9.9), (1, 0.0009), (1, 1e-7)):
        with pytest.raises(RequestError, match="at most 1000 messages a second"):
            prefer(state, Wish(rates={"*": RateWish(messages, seconds)}))


def test_the_erased_are_not_written_to_until_they_write():
    state = with_addresses(sms="*")
    erase(state, Erasure(at=NOW + SECOND))
    for fields in ({}, {"priority": "critical"}, {"category": "operations"}, {"conversation": "k"}):
        assert reasons(state, **fields).startswith("erased: ")
    remember(state, heard(seen=NOW))
    remember(state, heard(seen=NOW + HOUR, wrote=False))
    opt_out(state, Word(at=NOW))
    assert (state.references, state.addresses, state.consents, state.choices) == ({}, {}, {}, {})
    with pytest.raises(RequestError):
        register(state, Registration(addresses={"sms": "sms-2"}))
    remember(state, heard(seen=NOW + HOUR))
    assert channels(state) == ["bot"]
    assert state.consents["bot/*"].at == NOW + HOUR


def test_who_wrote_while_being_erased_is_somebody_new():
    state = with_addresses(sms="*")
    remember(state, heard("c2", NOW + HOUR))
    erase(state, Erasure(at=NOW + SECOND))
    assert [stop.reference for stop in ask(state).route] == [reference("c2").key]
    assert state.addresses == {}


WORDS = st.lists(
    st.tuples(st.sampled_from(["*", "orders", "news"]), st.booleans(), st.integers(0, 4)), min_size=1, max_size=6
)


@given(WORDS, st.randoms())
def test_words_count_by_their_time_in_whatever_order_they_come(words, random):
    shuffled = list(words)
    random.shuffle(shuffled)
    answers = []
    for order in (words, shuffled):
        state = writer()
        for category, out, at in order:
            (opt_out if out else opt_in)(state, Word(category=category, at=NOW + at * SECOND))
        answers.append([ask(state, category=category).decision for category in ("orders", "news", "other")])
    assert answers[0] == answers[1]


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 600))
def test_no_stretch_of_time_holds_more_than_the_rate_allows(seconds, capacity, period):
    state = writer()
    prefer(state, Wish(rates={"orders": RateWish(capacity, period)}))
    moments = [NOW + second * SECOND for second in sorted(seconds)]
    sent = [now for now in moments if ask(state, now=now).decision == "send"]
    for first, start in enumerate(sent):
        within = sum(start <= now <= start + period * SECOND for now in sent[first:])
        assert within <= 2 * capacity
