"""What a person says in chat about being written to."""

from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec
import pytest

from ringback.bot.buttons import ButtonDesk
from ringback.bot.dialogue import Dialogue
from ringback.bot.preferences import PreferencesDesk
from ringback.bot.preferences_card import EVERYTHING, FROM, UNTIL, ZONE
from ringback.delivery.gate import gate
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification
from ringback.delivery.person import Given, Heard, Registration, Word, perform
from ringback.settings import read_settings
from ringback.tables.users import UserTable
from tests.unit.app.conftest import inbound
from tests.unit.app.people import NOW, Entities, plain, question

USER = inbound().reference.user_key


@pytest.fixture
def entities():
    found = Entities()
    found.do(USER, "remember", Heard(reference=inbound().reference))
    return found


@pytest.fixture
def dialogue(desk, tables, engine, config, entities):
    async def show(row, content):
        raise AssertionError

    return Dialogue(desk, PreferencesDesk(tables, engine, entities, config), ButtonDesk(tables), config, show)


@pytest.fixture
def state(entities):
    return lambda: entities.states[USER]


SECONDS = itertools.count(1)


async def ask(dialogue, text="", **fields):
    """Each message comes a second after the one before."""
    heard = inbound(text, **fields)
    reference = msgspec.structs.replace(heard.reference, seen_at=NOW + timedelta(seconds=next(SECONDS)))
    [message] = await dialogue.respond(msgspec.structs.replace(heard, reference=reference))
    return message


async def say(dialogue, text="", **fields):
    return (await ask(dialogue, text, **fields))["text"]


def card_of(message):
    return {part["id"]: part for part in message["attachments"][0]["content"]["body"] if "id" in part}


def sends(state, **fields):
    return gate(state, question(**fields)).decision == "send"


@pytest.mark.parametrize(
    "text", ["stop", "STOP", "Stop.", "/stop", "unsubscribe", "stop all", "stop all messages", "stop!"]
)
async def test_stop_stops_everything_but_answers(dialogue, state, text):
    assert "no more messages" in await say(dialogue, text)
    assert not sends(state())
    assert sends(state(), category="operations")
    assert state().choices["*"].source == "chat"


@pytest.mark.parametrize(
    "text", ["stop orders", "Stop ORDERS", "stop: orders", "unsubscribe orders", "stop all orders messages"]
)
async def test_stop_with_a_category_stops_that_one(dialogue, state, text):
    assert "about **orders**" in await say(dialogue, text)
    assert not sends(state())
    assert sends(state(), category="news")


@pytest.mark.parametrize("text", ["stop it", "stop sending me so much", "stop or/ders"])
async def test_an_unclear_stop_asks(dialogue, state, text):
    assert "Shall I stop all messages" in await say(dialogue, text)
    assert sends(state())


async def test_answers_cannot_be_stopped(dialogue, state):
    assert "cancel" in await say(dialogue, "stop operations")
    assert state().choices == {}


async def test_start_takes_a_stop_back(dialogue, state):
    await say(dialogue, "stop")
    assert "again" in await say(dialogue, "start")
    assert sends(state())
    await say(dialogue, "stop orders")
    assert "about **orders**" in await say(dialogue, "start orders")
    assert sends(state())


async def test_start_alone_greets_who_stopped_nothing(dialogue, entities):
    before = len(entities.told)
    assert "Hello" in await say(dialogue, "start")
    assert len(entities.told) == before


async def test_start_with_an_operation_starts_it(dialogue, engine, state):
    await say(dialogue, "stop external-job")
    assert "One moment please" in await say(dialogue, "start external-job")
    assert [payload["operation"] for _, _, payload in engine.started] == ["external-job"]


async def test_start_with_an_unknown_word_is_no_category(dialogue, entities):
    assert "You will get" not in await say(dialogue, "start flurb")
    assert entities.states[USER].choices == {}


async def test_somebody_new_may_stop_too(dialogue, entities):
    message = await ask(dialogue, "stop", user="dl_new")
    assert "no more messages" in message["text"]


async def waiting(tables, identity, category, state="waiting"):
    row = new_row(Notification(id=identity, user=USER, category=category, content={"text": "x"}), NOW)
    row.state = state
    await Ledger(tables).open(row)


@pytest.mark.parametrize(
    ("text", "ended"), [("stop orders", {"d1", "d2"}), ("stop", {"d1", "d2", "d3"}), ("stop other", set())]
)
async def test_what_waits_is_taken_back(dialogue, tables, engine, text, ended):
    for identity, category, state in (
        ("d1", "orders", "waiting"),
        ("d2", "orders", "pending"),
        ("d3", "news", "waiting"),
        ("d4", "operations", "waiting"),
        ("d5", "orders", "sending"),
        ("d6", "orders", "delivered"),
    ):
        await waiting(tables, identity, category, state)
        engine.show(identity)
    said = await say(dialogue, text)
    # A try in progress is let be; should it fail, there is no next one.
    tried = {"d5"} if ended else set()
    assert {identity for identity, _, _ in engine.events} == ended | tried
    assert {data["reason"].partition(":")[0] for _, _, data in engine.events} <= {"opted-out"}
    assert {name for _, name, _ in engine.events} <= {"cancel"}
    rows = [await Ledger(tables).get(USER, f"d{number}") for number in range(1, 7)]
    assert {row.id for row in rows if row.state == "suppressed"} == ended
    for row in rows:
        assert row.state != "suppressed" or (row.code, row.detail) == ("opted-out", f"opted-out: {row.category}")
    assert ("taken back" in said) == bool(ended)


@pytest.mark.parametrize(
    ("text", "spans", "zone"),
    [
        ("quiet 22:00-07:00 Europe/Berlin", ["22:00-07:00"], "Europe/Berlin"),
        ("Quiet 22-7 berlin", ["22:00-07:00"], "Europe/Berlin"),
        ("quiet 22:00 to 07:00 new york", ["22:00-07:00"], "America/New_York"),
        ("quiet: 12:00-13:00, 22:00-07:00 UTC", ["12:00-13:00", "22:00-07:00"], "UTC"),
        ("quiet 12-13 and 22-7 UTC", ["12:00-13:00", "22:00-07:00"], "UTC"),
    ],
)
async def test_quiet_hours(dialogue, state, text, spans, zone):
    assert spans[0] in await say(dialogue, text)
    preferences = state().preferences
    assert ([str(span) for span in preferences.quiet], preferences.time_zone) == (spans, zone)


async def test_quiet_off_and_quiet_alone(dialogue, state):
    await say(dialogue, "quiet 22:00-07:00 Europe/Berlin")
    assert "22:00-07:00 (Europe/Berlin)" in await say(dialogue, "quiet")
    assert "no quiet hours" in await say(dialogue, "quiet off")
    assert state().preferences.quiet == ()
    await say(dialogue, "quiet 21:00-06:00")
    assert state().preferences.time_zone == "Europe/Berlin"


async def test_the_channel_may_tell_the_time_zone(dialogue, state):
    assert "Which time zone" in await say(dialogue, "quiet 22:00-07:00")
    info = {"type": "clientInfo", "timezone": "Europe/Paris"}
    await say(dialogue, "quiet 22:00-07:00", entities=[info])
    assert state().preferences.time_zone == "Europe/Paris"
    await say(dialogue, "quiet off")
    assert "Which" not in await say(dialogue, "quiet 1-2", localTimezone="nonsense")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quiet 22:00-07:00 Europe/Berlyn", "Did you mean Europe/Berlin"),
        ("quiet 25:00-07:00 UTC", "no span of time"),
        ("quiet please", "no span of time"),
        ("quiet 7-7 UTC", "whole day"),
        ("quiet 0-12 and 12-24 UTC", "leave less than"),
    ],
)
async def test_what_cannot_be_is_explained(dialogue, state, text, words):
    said = await say(dialogue, text)
    assert words in said
    assert "quiet 22:00-07:00 Europe/Berlin" in said
    assert state().preferences.quiet == ()


async def test_the_card_shows_what_is_set(dialogue, entities):
    gate(entities.states[USER], question())
    entities.do(USER, "opt_out", Word(category="news", at=NOW))
    entities.do(USER, "register", Registration(addresses={"email": "email-1"}))
    await say(dialogue, "quiet 22:00-07:00 Europe/Berlin")
    message = await ask(dialogue, "settings")
    card = card_of(message)
    assert {name: part["value"] for name, part in card.items()} == {
        EVERYTHING: "true",
        "category:news": "false",
        "category:orders": "true",
        "channel:email": "false",
        FROM: "22:00",
        UNTIL: "07:00",
        ZONE: "Europe/Berlin",
    }
    assert message["attachments"][0]["content"]["actions"][0]["data"] == {"action": "settings"}
    assert "none about news" in message["text"]


async def submit(dialogue, **changes):
    shown = await ask(dialogue, value={"action": "settings"})
    filled = {name: part["value"] for name, part in card_of(shown).items()}
    return await say(dialogue, value={"action": "settings", **filled, **changes})


async def test_the_card_comes_back(dialogue, entities, state):
    gate(entities.states[USER], question())
    entities.do(USER, "register", Registration(addresses={"sms": "sms-1"}))
    changes = {"category:orders": "false", "channel:sms": "true", FROM: "23:00", UNTIL: "06:30", ZONE: "Berlin"}
    assert "none about orders" in await submit(dialogue, **changes)
    assert not sends(state())
    assert state().consents["sms/*"].source == "chat"
    assert str(state().preferences.quiet[0]) == "23:00-06:30"
    assert "no quiet hours" in await submit(dialogue, **{FROM: "", UNTIL: ""})
    assert state().consents["sms/*"].granted is True
    await submit(dialogue, **{"channel:sms": "false"})
    assert state().consents["sms/*"].granted is False


async def test_a_card_that_changes_nothing_tells_nothing_of_categories(dialogue, entities, state):
    gate(entities.states[USER], question())
    await submit(dialogue)
    assert state().choices == {}


async def test_everything_off_and_on_again(dialogue, entities, state):
    gate(entities.states[USER], question())
    await submit(dialogue, **{EVERYTHING: "false", "category:orders": "true"})
    assert not sends(state())
    await submit(dialogue, **{"category:orders": "true"})
    assert (sends(state()), sends(state(), category="news")) == (True, False)
    assert "no messages but those about orders and the answers" in (await ask(dialogue, "settings"))["text"]
    await submit(dialogue, **{EVERYTHING: "true"})
    assert sends(state(), category="news")


@pytest.mark.parametrize(
    "value",
    [
        {EVERYTHING: 7, FROM: 5, UNTIL: None, ZONE: []},
        {FROM: "22:00", UNTIL: ""},
        {FROM: "x", UNTIL: "y"},
        {ZONE: "Mars/Base"},
        {FROM: "22:00", UNTIL: "07:00"},
        {EVERYTHING: "true", "category:a b": "false"},
        {EVERYTHING: "true", "category:*": "false", "category:operations": "false", "channel:sms": "true"},
    ],
)
async def test_a_forged_or_empty_card_does_no_harm(dialogue, state, value):
    assert await say(dialogue, "", value={"action": "settings", **value})
    assert state().preferences.quiet == ()
    assert "sms/*" not in state().consents
    assert sends(state(), category="operations")


async def test_an_opt_in_category_is_offered_and_takes_ones_word(
    desk, tables, engine, environ, entities, state, config
):
    marked = read_settings({**environ, "OPT_IN_CATEGORIES": "news"})
    dialogue = Dialogue(desk, PreferencesDesk(tables, engine, entities, marked), ButtonDesk(tables), config, None)
    message = await ask(dialogue, "settings")
    assert card_of(message)["category:news"]["value"] == "false"
    assert "about **news**" in await say(dialogue, "start news")
    assert gate(state(), question(category="news"), ("news",)).decision == "send"


async def test_a_second_span_outlives_the_card(dialogue, state):
    await say(dialogue, "quiet 12-13 and 22-7 UTC")
    await submit(dialogue, **{FROM: "11:00"})
    assert [str(span) for span in state().preferences.quiet] == ["11:00-13:00", "22:00-07:00"]


@pytest.mark.parametrize("text", ["erase my data", "Please delete all my data!", "forget me.", "erase-my-data"])
async def test_being_forgotten_is_asked_for_once_more(dialogue, tables, entities, text):
    user = inbound("").reference.user_key
    assert "cannot be undone" in await say(dialogue, text)
    assert entities.states[user].erased_at is None
    assert "forgotten" in await say(dialogue, "erase my data now")
    assert entities.states[user].erased_at is not None
    assert (await UserTable(tables).get(user)).erased


def test_entities_of_the_tests_do_what_they_are_told():
    entities = Entities()
    entities.do("u", "consent", Given(channel="sms", at=NOW + timedelta(seconds=1)))
    perform(entities.states["u"], "consent", plain(Given(channel="sms", granted=False, at=NOW)))
    assert entities.states["u"].consents["sms/*"].granted is True
