"""Who may be written to about what: consent, opt-outs, and the time of each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ringback.delivery.consent import MAX_CATEGORIES
from ringback.delivery.notification import Stop
from ringback.delivery.person import (
    Given,
    Word,
    consent,
    load,
    opt_in,
    opt_out,
    remember,
)
from ringback.errors import RequestError
from tests.unit.app.people import NOW, ask, channels, heard, reasons, reference, with_addresses, writer

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


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
