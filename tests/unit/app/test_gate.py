from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.delivery.consent import MAX_CATEGORIES
from ringback.delivery.gate import MOST_WAYS, RATE
from ringback.delivery.notification import Stop
from ringback.delivery.person import (
    Erasure,
    Given,
    Installed,
    Registration,
    Said,
    Word,
    channel_said,
    consent,
    erase,
    installed,
    load,
    opt_in,
    opt_out,
    prefer,
    register,
    remember,
)
from ringback.delivery.preferences import RateWish, Wish
from ringback.errors import RequestError
from tests.unit.app.people import NOW, ask, heard, reference, writer

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


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


def test_writing_to_the_bot_consents_to_every_category_on_the_bot():
    assert ask(writer()).route == (Stop(channel="bot", reference=reference().key),)


def test_coming_in_is_not_writing():
    state = load(None)
    remember(state, heard(wrote=False))
    assert reasons(state) == "no-consent: orders by bot"
    assert ask(state, category="operations").decision == "send"
    remember(state, heard(seen=NOW + SECOND))
    remember(state, heard(seen=NOW + 2 * SECOND, wrote=False))
    assert ask(state).decision == "send"


def test_somebody_never_heard_of_is_not_written_to():
    assert reasons(load(None)).startswith("unknown: ")
    assert reasons(load(None), conversation="k").startswith("no-consent: ")


def test_an_answer_goes_to_a_conversation_that_only_the_table_knows_yet():
    answer = ask(load(None), category="operations", conversation="k")
    assert answer.route == (Stop(channel="bot", reference="k"),)


def test_sms_and_mail_need_recorded_consent():
    state = with_addresses()
    assert channels(state) == ["bot"]
    assert reasons(state, channels=("sms", "email")) == "no-consent: orders by sms, email"
    assert channels(with_addresses(sms="orders")) == ["bot", "sms"]
    assert channels(with_addresses(sms="*", email="other")) == ["bot", "sms"]
    assert channels(with_addresses(email="orders"), channels=("email",)) == ["email"]
    assert reasons(with_addresses(sms="orders"), channels=("sms",), category="news") == "no-consent: news by sms"


def test_consent_that_was_taken_back_counts_from_then_on():
    state = with_addresses(sms="*")
    consent(state, Given(channel="sms", granted=False, at=NOW + HOUR))
    consent(state, Given(channel="sms", at=NOW + HOUR / 2))
    assert channels(state) == ["bot"]
    consent(state, Given(channel="sms", category="orders", at=NOW + 2 * HOUR, source="chat"))
    assert channels(state) == ["bot", "sms"]
    assert state.consents["sms/orders"].source == "chat"


def test_consent_keeps_the_time_when_it_was_first_given():
    state = writer()
    remember(state, heard(seen=NOW + HOUR))
    assert state.consents["bot/*"].at == NOW
    assert state.consents["bot/*"].source == "wrote"


def test_an_opt_out_stops_its_category_and_no_other():
    state = writer()
    opt_out(state, Word(category="orders", at=NOW))
    assert reasons(state) == "opted-out: orders"
    assert reasons(state, priority="critical") == "opted-out: orders"
    assert ask(state, category="news").decision == "send"
    opt_in(state, Word(category="orders", at=NOW + SECOND))
    assert ask(state).decision == "send"


def test_of_two_words_the_later_counts_whichever_comes_first():
    state = writer()
    opt_in(state, Word(category="orders", at=NOW + SECOND))
    opt_out(state, Word(category="orders", at=NOW))
    assert ask(state).decision == "send"
    opt_out(state, Word(category="orders", at=NOW + SECOND))
    assert reasons(state) == "opted-out: orders"


def test_stop_stops_everything_but_the_answers_to_ones_own_questions():
    state = writer()
    opt_in(state, Word(category="orders", at=NOW))
    opt_out(state, Word(at=NOW + SECOND))
    assert reasons(state) == "opted-out: orders"
    assert ask(state, category="operations").decision == "send"
    opt_in(state, Word(category="orders", at=NOW + 2 * SECOND))
    assert ask(state).decision == "send"
    assert reasons(state, category="news") == "opted-out: news"
    opt_in(state, Word(at=NOW + 3 * SECOND))
    assert ask(state, category="news").decision == "send"
    with pytest.raises(RequestError):
        opt_out(state, Word(category="operations", at=NOW))


def test_an_opt_in_category_needs_ones_own_word():
    state = writer()
    marked = ("news",)
    assert ask(state, marked, category="news").reason == "no-consent: news by bot"
    opt_in(state, Word(at=NOW))
    assert ask(state, marked, category="news").decision == "suppressed"
    opt_in(state, Word(category="news", at=NOW))
    assert ask(state, marked, category="news").decision == "send"
    opt_out(state, Word(at=NOW + SECOND))
    opt_in(state, Word(at=NOW + 2 * SECOND))
    assert ask(state, marked, category="news").decision == "suppressed"
    consent(state, Given(channel="bot", category="news", at=NOW, source="import"))
    assert ask(state, marked, category="news").decision == "send"


def test_categories_are_slugs_and_not_endlessly_many():
    state = writer()
    for bad in ("", "a b", "x" * 65, "ünde", "a/b"):
        with pytest.raises(RequestError):
            opt_out(state, Word(category=bad, at=NOW))
        assert ask(state, category=bad).decision == "send"
    assert state.categories == []
    for number in range(MAX_CATEGORIES):
        opt_out(state, Word(category=f"c{number}", at=NOW))
    with pytest.raises(RequestError):
        opt_out(state, Word(category="one-more", at=NOW))
    opt_out(state, Word(at=NOW + SECOND))
    assert list(state.choices) == ["*"]


def test_the_order_is_the_persons_and_the_choice_the_questions():
    state = with_addresses(sms="*", email="*")
    assert channels(state) == ["bot", "sms", "email"]
    prefer(state, Wish(channels=["email", "bot"]))
    assert channels(state) == ["email", "bot", "sms"]
    assert channels(state, channels=("bot", "sms")) == ["bot", "sms"]
    assert reasons(state, channels=("pigeon",)) == "no-channel: this person is reached by email, bot, sms alone"


def test_the_latest_conversation_is_the_best_and_a_group_is_none():
    state = load(None)
    for number in range(MOST_WAYS + 2):
        remember(state, heard(f"c{number}", NOW + number * SECOND))
    remember(state, heard("g", NOW + HOUR, is_group=True))
    keys = [stop.reference for stop in ask(state).route]
    assert keys == [reference(f"c{number}").key for number in range(MOST_WAYS + 1, 1, -1)]
    group = reference("g").key
    assert [stop.reference for stop in ask(state, conversation=group).route] == [group]


def test_a_group_that_is_written_to_as_such_is_reached():
    state = load(None)
    remember(state, heard("g", is_group=True, user_id="g"))
    assert len(ask(state).route) == 1


def test_a_named_conversation_is_the_only_way():
    state = with_addresses(sms="*")
    assert channels(state, conversation=reference().key) == ["bot"]
    assert reasons(state, conversation=reference().key, channels=("sms",)).startswith("no-channel: ")


@pytest.mark.parametrize(
    ("reaction", "code"), [("until-user-writes", "blocked"), ("until-installed", "not-installed"), ("gone", "gone")]
)
def test_what_the_channel_refused_is_not_tried_again_until_they_write(reaction, code):
    state = writer("c1", "c2")
    first, second = reference("c1").key, reference("c2").key
    channel_said(state, Said(reference=first, reaction=reaction, at=NOW + SECOND))
    assert [stop.reference for stop in ask(state).route] == [second]
    assert reasons(state, conversation=first).startswith(f"{code}: ")
    assert reasons(state, conversation=first, priority="critical").startswith(f"{code}: ")
    remember(state, heard("c1", NOW + HOUR))
    assert ask(state, conversation=first).decision == "send"


def test_a_reference_is_gone_only_when_a_second_answer_says_so():
    state, key = writer(), reference().key
    channel_said(state, Said(reference=key, reaction="confirm-gone", at=NOW + SECOND))
    channel_said(state, Said(reference=key, reaction="confirm-gone", at=NOW + SECOND))
    assert ask(state).decision == "send"
    channel_said(state, Said(reference=key, reaction="confirm-gone", at=NOW + HOUR))
    assert reasons(state).startswith("gone: ")


def test_an_answer_from_before_they_wrote_again_is_no_longer_true():
    state, key = writer(), reference().key
    channel_said(state, Said(reference=key, reaction="until-user-writes", at=NOW - SECOND))
    assert ask(state).decision == "send"
    for reaction in ("none", "operator", "nonsense"):
        channel_said(state, Said(reference=key, reaction=reaction, at=NOW + SECOND))
    channel_said(state, Said(reference="unknown", reaction="gone", at=NOW + SECOND))
    assert state.reach == {}


def test_installing_and_taking_away():
    state, key = writer(), reference().key
    installed(state, Installed(reference=key, installed=False, at=NOW + SECOND))
    assert reasons(state).startswith("not-installed: ")
    installed(state, Installed(reference=key, installed=True, at=NOW))
    assert ask(state).decision == "suppressed"
    installed(state, Installed(reference=key, installed=True, at=NOW + HOUR))
    assert ask(state).decision == "send"
    channel_said(state, Said(reference=key, reaction="until-user-writes", at=NOW + 2 * HOUR))
    installed(state, Installed(reference=key, installed=True, at=NOW + 3 * HOUR))
    assert reasons(state).startswith("blocked: ")


def test_a_blocked_number_is_free_again_when_it_is_registered_anew():
    state = with_addresses(sms="*")
    channel_said(state, Said(reference="sms-1", reaction="until-user-writes", at=NOW + SECOND))
    assert reasons(state, channels=("sms",)).startswith("blocked: ")
    register(state, Registration(addresses={"sms": "sms-1"}))
    assert channels(state, channels=("sms",)) == ["sms"]
    register(state, Registration(addresses={"sms": None}))
    assert state.addresses == {"email": "email-1"}


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
