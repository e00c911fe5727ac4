from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from bot_http import notifications
from ringback.channels import registry
from ringback.channels.address import Address
from ringback.channels.connector import ConnectorSender
from ringback.channels.port import Outcome, Reaction, SendResult
from ringback.channels.tokens import Anonymous
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import Notification, SendOrder, Stop
from ringback.delivery.request import Saying, content_of
from ringback.delivery.sending import Sending
from ringback.delivery.throttle import ThrottledError
from ringback.errors import ConfigurationError
from ringback.tables.dead_letters import DeadLetterTable
from ringback.templates.library import Templates
from tests.unit.app.stand_ins import make_settings
from tests.unit.app.test_reference import make_reference

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "**Parcel** 7"}]}


class Channel:
    """Answers what it was told, in that order; the last one stays."""

    def __init__(self) -> None:
        self.answers = [SendResult(outcome=Outcome.DELIVERED, activity_id="a1")]
        self.sent = []

    async def send(self, recipient, payload, *, once=None):
        self.sent.append((recipient, payload, once))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class People:
    def __init__(self) -> None:
        self.known = {"c": make_reference(locale="de-DE"), "p": Address(kind="sms", value="+491512345678")}

    lost_ones = ()

    async def get(self, user, stop):
        found = self.known.get(stop.reference)
        if isinstance(found, ThrottledError):
            raise found
        return found

    async def lost(self, user, stop):
        self.lost_ones += ((user, stop.reference),)


class Pace:
    full: float | None = None
    lates = 0

    async def lease(self, reference):
        if self.full is not None:
            raise ThrottledError(self.full)
        return 0.0

    def late(self, deadline):
        self.lates -= 1
        return self.lates >= 0


class Bench:
    def __init__(self, tables) -> None:
        self.ledger, self.letters = Ledger(tables), DeadLetterTable(tables)
        self.channel, self.pace, self.people = Channel(), Pace(), People()
        self.templates = Templates(tables)
        self.sending = Sending(self.ledger, self.people, self.letters, self.pace, self.templates)

    async def send(self, attempt=1, channel="bot", reference="c", last=True, locale=None, asked_at=None, **fields):
        values = {"content": {"text": "hi"}, **fields}
        notification = Notification(id="d1", user="u", category="orders", **values)
        stop = Stop(channel=channel, reference=reference)
        order = SendOrder(
            notification=notification, stop=stop, attempt=attempt, last=last, locale=locale, asked_at=asked_at
        )
        return await self.sending.send(order)

    async def row(self):
        return await self.ledger.get("u", "d1")


def says(outcome, code=None, **fields):
    return SendResult(outcome=Outcome(outcome), code=code, **fields)


@pytest.fixture
def bench(tables, monkeypatch) -> Bench:
    found = Bench(tables)
    monkeypatch.setattr(registry, "sender", lambda kind: found.channel)
    return found


async def test_a_message_goes_out_with_its_delivery_id_and_ends_delivered(bench):
    answer = await bench.send()
    assert (answer.outcome, answer.activity_id) == ("delivered", "a1")
    assert bench.channel.sent[0][1] == {"text": "hi", "channelData": {"deliveryId": "d1"}}
    again = await bench.send(attempt=2)
    assert (again.outcome, again.state) == ("ended", "delivered")
    assert len(bench.channel.sent) == 1


async def test_what_was_removed_for_its_age_is_not_sent_without_its_words(bench):
    answer = await bench.send(content=None)
    assert (answer.outcome, answer.state, bench.channel.sent) == ("ended", "cancelled", [])
    assert await bench.row() is None


async def test_too_many_at_this_moment_is_no_try(bench):
    bench.pace.full = 3.0
    answer = await bench.send()
    assert (answer.outcome, answer.retry_after) == ("throttled", 3.0)
    assert await bench.row() is None
    assert bench.channel.sent == []


async def test_a_lease_that_ran_out_while_the_ledger_was_written_is_taken_anew(bench):
    bench.pace.lates = 2
    assert (await bench.send()).outcome == "delivered"
    assert bench.pace.lates < 0


async def test_an_order_that_lay_long_is_not_sent_but_asked_about_again(bench):
    now = datetime.now(timezone.utc)
    answer = await bench.send(asked_at=now - timedelta(minutes=6))
    assert (answer.outcome, bench.channel.sent, await bench.row()) == ("stale", [], None)
    assert (await bench.send(asked_at=now - timedelta(minutes=4))).outcome == "delivered"


async def test_what_was_wanted_before_now_is_not_sent_any_more(bench):
    moment = datetime.now(timezone.utc) - timedelta(seconds=1)
    answer = await bench.send(expires_at=moment)
    assert (answer.outcome, answer.state, answer.code) == ("ended", "suppressed", "expired")
    row = await bench.row()
    assert (row.state, row.tries, bench.channel.sent) == ("suppressed", 0, [])


async def test_a_try_whose_process_died_is_counted_when_the_message_waits_after_it(bench):
    notification = Notification(id="d1", user="u", category="orders", content={"text": "hi"})
    now = datetime.now(timezone.utc)
    await bench.ledger.claim(await bench.ledger.find(notification, now), Stop(channel="bot", reference="c"), now)
    row = await bench.ledger.hold(notification, now + timedelta(hours=8), "quiet-hours: …", now)
    assert (row.state, row.ambiguous, row.attempts[-1].outcome) == ("waiting", 1, "ambiguous")


async def test_a_channel_without_its_settings_makes_room_for_the_next_one(bench, monkeypatch):
    def some(kind):
        if kind == "sms":
            raise ConfigurationError("SMS_FROM is missing")
        return bench.channel

    monkeypatch.setattr(registry, "sender", some)
    answer = await bench.send(channel="sms", reference="p", last=False)
    assert (answer.outcome, answer.code, answer.retry_after) == ("permanent", "not-configured", None)
    row = await bench.row()
    assert (row.state, row.code, row.detail) == ("pending", "not-configured", "SMS_FROM is missing")
    assert (await bench.send(attempt=2)).outcome == "delivered"
    assert [(attempt.channel, attempt.code) for attempt in (await bench.row()).attempts] == [
        ("sms", "not-configured"),
        ("bot", None),
    ]


async def test_a_setting_that_is_missing_for_the_last_way_is_a_dead_letter(bench, monkeypatch):
    monkeypatch.setattr(registry, "problem", lambda kind: "ACS_CONNECTION_STRING is missing")
    assert (await bench.send(channel="email", reference="m")).outcome == "permanent"
    [letter] = await bench.letters.page(size=5)
    assert (letter.code, letter.detail) == ("not-configured", "ACS_CONNECTION_STRING is missing")
    assert bench.channel.sent == []


async def test_an_attempt_keeps_the_status_and_how_long_the_channel_took(bench, config, monkeypatch):
    monkeypatch.setattr(notifications, "settings", lambda: config)
    bench.channel.answers = [says("retry", "TooManyRequests", status=429), says("delivered", status=201)]
    for number in (1, 2):
        await bench.send(attempt=number)
    row = await bench.row()
    assert [attempt.status for attempt in row.attempts] == [429, 201]
    assert all(attempt.latency >= 0.0 for attempt in row.attempts)
    shown = notifications.shown(row)["attempts"]
    assert [set(attempt) for attempt in shown] == [
        {"at", "channel", "outcome", "code", "status", "latencySeconds"},
    ] * 2
    assert (shown[0]["code"], shown[0]["status"], shown[1]["status"]) == ("TooManyRequests", 429, 201)


@pytest.mark.parametrize(("preferred", "words"), [("en-GB", "Hello"), (None, "Guten Tag"), ("fr", "Guten Tag")])
async def test_the_preferred_locale_words_the_message_before_the_channels(bench, preferred, words):
    wordings = {"de": {"chat": {"text": "Guten Tag"}}, "en": {"chat": {"text": "Hello"}}}
    body = {"defaultLocale": "de", "schema": {"type": "object"}, "variants": wordings}
    await bench.templates.put("hello", msgspec.json.encode(body))
    use = {"$template": {"name": "hello", "data": {}, "locale": None, "link": None}}
    await bench.send(content=use, locale=preferred)
    assert bench.channel.sent[0][1]["text"] == words
    assert (await bench.row()).locale == (preferred or "de-DE")


async def test_what_the_channel_says_to_a_conversation_that_is_to_be_opened_is_a_try(bench):
    bench.people.known["t"] = says("permanent", "NotInstalled", status=403, reaction=Reaction.UNTIL_INSTALLED)
    answer = await bench.send(reference="t", last=False)
    assert (answer.outcome, answer.code, answer.reaction) == ("permanent", "NotInstalled", "until-installed")
    row = await bench.row()
    [attempt] = row.attempts
    assert (row.state, attempt.outcome, attempt.code, attempt.status) == ("pending", "permanent", "NotInstalled", 403)
    await bench.send(attempt=2, reference="t")
    assert [letter.code for letter in await bench.letters.page(size=5)] == ["NotInstalled"]
    assert bench.channel.sent == []


async def test_a_conversation_that_cannot_be_opened_now_is_asked_for_as_often_as_is_worth_it(bench):
    bench.people.known["t"] = says("retry", "ServiceError", retries=1)
    outcomes = [(await bench.send(attempt=number, reference="t", last=False)).outcome for number in (1, 2)]
    assert outcomes == ["retry", "permanent"]
    assert (await bench.row()).ambiguous == 0


async def test_too_many_conversations_at_this_moment_is_no_try(bench):
    bench.people.known["t"] = ThrottledError(20.0)
    answer = await bench.send(reference="t")
    assert (answer.outcome, answer.retry_after, await bench.row()) == ("throttled", 20.0, None)


async def test_a_conversation_that_the_channel_does_not_know_is_given_up(bench):
    for outcome, reaction in (("permanent", Reaction.NONE), ("permanent", Reaction.CONFIRM_GONE)):
        bench.channel.answers = [says(outcome, "ConversationNotFound", reaction=reaction)]
        await bench.send(last=False)
    assert bench.people.lost_ones == (("u", "c"),)


async def test_a_permanent_answer_is_a_dead_letter_only_by_the_last_way(bench):
    blocked = says("permanent", "ConversationBlockedByUser", reaction=Reaction.UNTIL_USER_WRITES)
    bench.channel.answers = [blocked]
    answer = await bench.send(last=False)
    assert (answer.outcome, answer.reaction) == ("permanent", "until-user-writes")
    assert ((await bench.row()).state, await bench.letters.page(size=5)) == ("pending", [])
    bench.channel.answers = [says("permanent", "NoNumber")]
    await bench.send(attempt=2, channel="sms", reference="p")
    [letter] = await bench.letters.page(size=5)
    assert (letter.delivery, letter.code, letter.channel, letter.tries) == ("d1", "NoNumber", "sms", 2)


async def test_what_the_channel_says_of_a_way_is_dated_by_the_beginning_of_the_try(bench):
    bench.channel.answers = [says("permanent", "Blocked", reaction=Reaction.UNTIL_USER_WRITES)]
    answer = await bench.send()
    assert answer.at == (await bench.row()).attempts[0].at <= now()


async def test_a_process_that_died_between_row_and_letter_leaves_the_letter_to_the_next_try(bench):
    row = await bench.ledger.find(Notification(id="d1", user="u", category="x", content={}), now())
    row = await bench.ledger.claim(row, Stop(channel="bot", reference="c"), now())
    await bench.ledger.complete(row, says("permanent", "Forbidden"), now())
    assert await bench.letters.page(size=5) == []
    for _ in range(2):
        assert (await bench.send()).state == "failed"
    assert [letter.code for letter in await bench.letters.page(size=5)] == ["Forbidden"]


async def test_a_try_that_runs_again_after_a_redrive_sends_nothing_of_the_new_round(bench):
    bench.channel.answers = [says("permanent", "Forbidden"), says("delivered", activity_id="a1")]
    await bench.send()
    row = await bench.row()
    row.state, row.round = "pending", 1
    await bench.ledger.save(row)
    answer = await bench.send()
    assert (answer.outcome, answer.state, len(bench.channel.sent)) == ("ended", "pending", 1)
    assert (await bench.send(round=1)).outcome == "delivered"
    row = await bench.row()
    assert (row.state, row.tries, row.ambiguous) == ("delivered", 2, 0)


async def test_an_address_that_is_gone_is_permanent(bench):
    answer = await bench.send(reference="unknown")
    assert (answer.outcome, answer.code) == ("permanent", "UnknownConversation")


async def test_an_address_that_was_replaced_since_the_gate_named_it_is_asked_about_once_more(bench):
    answer = await bench.send(reference="replaced", asked_at=datetime.now(timezone.utc))
    assert (answer.outcome, await bench.row(), bench.channel.sent) == ("stale", None, [])
    assert (await bench.send(reference="p", channel="sms", asked_at=datetime.now(timezone.utc))).outcome == "delivered"


async def test_an_error_worth_one_retry_gets_one_after_each_start_anew(bench):
    bench.channel.answers = [
        says("retry", "TooManyRequests"),
        says("retry", "ServiceError", retries=1),
        says("retry", "TooManyRequests", retry_after=2.0),
        says("retry", "ServiceError", retries=1),
    ]
    outcomes = [(await bench.send(attempt=number)).outcome for number in range(1, 5)]
    assert outcomes == ["retry", "retry", "retry", "permanent"]


@pytest.mark.parametrize("said", [None, 0.0])
async def test_without_a_time_to_come_again_the_pauses_grow(bench, monkeypatch, said):
    monkeypatch.setattr("random.random", lambda: 0.999)
    bench.channel.answers = [says("retry", "TooManyRequests", retry_after=said)]
    waits = [(await bench.send(attempt=number)).retry_after for number in (1, 2, 3, 20)]
    assert waits == pytest.approx([1.5, 2.5, 4.5, 300.5], abs=0.5)


async def test_a_channel_that_never_says_what_became_of_it_is_asked_ever_less_often(bench, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.999)
    bench.channel.answers = [says("ambiguous", "NoAnswer")]
    waits = [(await bench.send(attempt=number)).retry_after for number in (1, 3, 10, 13, 50)]
    assert waits == pytest.approx([1.5, 4.5, 512.5, 3600.5, 3600.5], abs=5)


async def test_the_channels_own_time_is_kept(bench):
    bench.channel.answers = [says("retry", "TooManyRequests", retry_after=7.0)]
    assert (await bench.send(attempt=20)).retry_after == 7.0


async def test_a_key_stays_while_nobody_knows_what_became_of_the_message(bench):
    bench.channel.answers = [
        says("ambiguous", "NoAnswer"),
        says("ambiguous", "NoAnswer"),
        says("retry", "TooManyRequests"),
        says("delivered"),
    ]
    for number in range(1, 5):
        await bench.send(attempt=number)
    onces = [once for _, _, once in bench.channel.sent]
    assert onces[0].key == onces[1].key == onces[2].key != onces[3].key
    assert [once.repeated for once in onces] == [False, True, True, False]
    assert onces[0].first_sent == onces[2].first_sent < onces[3].first_sent


async def test_other_channels_get_plain_words(bench):
    content = {
        "text": "Look at **this**",
        "summary": "Parcel",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": CARD}],
    }
    await bench.send(channel="sms", reference="p", content=content)
    payload = bench.channel.sent[0][1]
    assert payload["text"] == "Look at this\n\nParcel 7"
    assert payload["subject"] == "Parcel"
    assert "channelData" not in payload


async def test_a_template_that_is_gone_by_then_fails_with_its_reason(bench):
    use = {"$template": {"name": "no-such-template", "data": {}, "locale": None, "link": None}}
    answer = await bench.send(content=use)
    assert (answer.outcome, answer.code) == ("permanent", "TemplateFailed")
    assert "no-such-template" in answer.detail


def now():
    return datetime.now(timezone.utc)


async def test_a_card_that_teams_refuses_makes_room_for_the_next_way_with_its_reason(bench, monkeypatch):
    # The marks of the buttons and the address make it too large, not the card as it was given.
    actions = [{"type": "Action.Submit", "title": str(n), "data": {"action": f"choice-{n}"}} for n in range(200)]
    large = {**CARD, "body": [{"type": "TextBlock", "text": "x" * 25_000}], "actions": actions}
    content, _ = content_of(Saying(card=large))
    connector = ConnectorSender(make_settings(BOT_ALLOW_ANONYMOUS="true"), Anonymous())
    monkeypatch.setattr(registry, "sender", lambda kind: connector if kind == "bot" else bench.channel)
    answer = await bench.send(content=content, last=False)
    assert (answer.outcome, answer.code) == ("permanent", "MessageSizeTooBig")
    assert "bytes of UTF-16" in (await bench.row()).detail
    answer = await bench.send(content=content, channel="sms", reference="p", attempt=2)
    assert (answer.outcome, len(bench.channel.sent)) == ("delivered", 1)
