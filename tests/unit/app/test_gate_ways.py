"""By which way the gate lets a message go, and which ways a channel's answer has closed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ringback.delivery.gate import MOST_WAYS
from ringback.delivery.person import (
    Given,
    Installed,
    Registration,
    Said,
    channel_said,
    consent,
    installed,
    load,
    prefer,
    register,
    remember,
)
from ringback.delivery.preferences import Wish
from tests.unit.app.people import NOW, ask, channels, heard, reasons, reference, with_addresses, writer

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


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


def on_teams(*consents: str):
    """Somebody whom another system registered by their directory object."""
    state = load(None)
    for channel in consents:
        consent(state, Given(channel=channel, at=NOW, source="import"))
    register(state, Registration(addresses={"bot": "bot-1"}))
    return state


def test_who_never_wrote_is_reached_on_teams_only_with_recorded_consent():
    assert reasons(on_teams()) == "no-consent: orders by bot"
    assert reasons(on_teams(), category="operations") == "no-consent: operations by bot"
    [stop] = ask(on_teams("bot")).route
    assert (stop.channel, stop.reference) == ("bot", "bot-1")
    assert ask(on_teams("bot"), category="operations").decision == "send"
    assert reasons(on_teams("bot"), channels=("sms",)) == "no-channel: this person is reached by bot alone"


def test_a_conversation_on_teams_takes_the_place_of_the_address():
    state = on_teams("bot")
    remember(state, heard("elsewhere"))
    assert [stop.reference for stop in ask(state).route] == [reference("elsewhere").key, "bot-1"]
    team = {"channel_id": "msteams", "user_id": "29:ann"}
    remember(state, heard("19:team", is_group=True, wrote=False, **team))
    assert [stop.reference for stop in ask(state).route] == [reference("elsewhere").key, "bot-1"]
    remember(state, heard("a:1", NOW + SECOND, wrote=False, **team))
    assert [stop.reference for stop in ask(state).route] == [
        reference("a:1", **team).key,
        reference("elsewhere").key,
    ]


def test_an_app_that_is_not_installed_closes_the_address_until_it_is_registered_anew():
    state = on_teams("bot")
    channel_said(state, Said(reference="bot-1", reaction="until-installed", at=NOW))
    assert reasons(state).startswith("not-installed: ")
    register(state, Registration(addresses={"bot": "bot-1"}))
    assert ask(state).decision == "send"
    installed(state, Installed(reference="unheard", installed=False, at=NOW))
    assert ask(state).decision == "send", "it was not their own talk on Teams"
    installed(state, Installed(reference="unheard", installed=False, at=NOW, personal=True))
    assert reasons(state).startswith("not-installed: ")
    installed(state, Installed(reference="unheard", installed=True, at=NOW - SECOND, personal=True))
    assert reasons(state).startswith("not-installed: ")
    installed(state, Installed(reference="unheard", installed=True, at=NOW + SECOND, personal=True))
    assert ask(state).decision == "send"


def test_the_answer_carries_the_locale_that_the_person_prefers():
    state = writer()
    assert ask(state).locale is None
    prefer(state, Wish(locale="de_AT"))
    assert ask(state).locale == "de-AT"
