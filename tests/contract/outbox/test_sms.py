from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest
from azure.core.exceptions import ClientAuthenticationError

from ringback.channels import acs
from ringback.channels.address import Address
from ringback.channels.http import close_session
from ringback.channels.port import Once, Outcome, Reaction
from ringback.channels.sms import SmsSender
from tests.contract.outbox.conftest import MAILBOX, NUMBER
from tests.unit.app.stand_ins import Connector, make_settings

ANN = Address(kind="sms", value=NUMBER)
FIRST = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)


@pytest.fixture
def sender(stand_in) -> SmsSender:
    return SmsSender(stand_in.settings())


async def test_a_text_message_arrives_with_its_segments_told(stand_in, sender):
    result = await sender.send(ANN, {"text": "Grüße, Ann: it\u2019s done"})

    assert (result.outcome, result.status) == (Outcome.DELIVERED, 202)
    assert result.detail == "1 segment of GSM-7"
    (kept,) = await stand_in.messages(to=NUMBER)
    assert (kept["kind"], kept["from"], kept["text"]) == ("sms", "+18005551234", "Grüße, Ann: it's done")
    assert result.activity_id == kept["messageId"]


async def test_a_repeated_attempt_is_one_message(stand_in, sender):
    await stand_in.fault("sms", drop=True, taken=True, times=1)
    lost = await sender.send(ANN, {"text": "hello"}, once=Once(key="d1/1", first_sent=FIRST))
    again = await sender.send(ANN, {"text": "hello"}, once=Once(key="d1/1", first_sent=FIRST, repeated=True))

    assert (lost.outcome, lost.code) == (Outcome.AMBIGUOUS, "NoAnswer")
    assert again.outcome is Outcome.DELIVERED
    (kept,) = await stand_in.messages()
    assert again.activity_id == kept["messageId"]


async def test_without_a_key_each_attempt_is_a_message(stand_in, sender):
    await sender.send(ANN, {"text": "hello"})
    await sender.send(ANN, {"text": "hello"})
    assert len(await stand_in.messages()) == 2


async def test_a_key_used_for_another_text_is_rejected(stand_in, sender):
    once = Once(key="d1/1", first_sent=FIRST)
    await sender.send(ANN, {"text": "hello"}, once=once)
    result = await sender.send(ANN, {"text": "good bye"}, once=once)

    assert (result.outcome, result.code) == (Outcome.RETRY, "RepeatabilityRejected")
    assert len(await stand_in.messages()) == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "retry_after"),
    [
        ({"status": 429, "retryAfter": 7}, Outcome.RETRY, "TooManyRequests", 7),
        ({"status": 500}, Outcome.RETRY, "InternalServerError", None),
        ({"status": 502, "html": True}, Outcome.RETRY, "HTTP 502", None),
        ({"status": 503, "retryAfter": "2"}, Outcome.RETRY, "InternalServerError", 2),
        ({"status": 504}, Outcome.AMBIGUOUS, "InternalServerError", None),
        ({"status": 401}, Outcome.RETRY, "Denied", None),
        ({"status": 403, "code": "Forbidden"}, Outcome.PERMANENT, "Forbidden", None),
        ({"status": 400, "code": "BadRequest"}, Outcome.PERMANENT, "BadRequest", None),
        ({"status": 202, "html": True}, Outcome.AMBIGUOUS, "NoAnswer", None),
        ({"status": 302}, Outcome.PERMANENT, "Redirect", None),
        ({"drop": True}, Outcome.AMBIGUOUS, "NoAnswer", None),
    ],
)
async def test_an_answer_is_judged_and_nothing_is_tried_again_by_the_sdk(
    stand_in, sender, fault, outcome, code, retry_after
):
    await stand_in.fault("sms", **fault)
    result = await sender.send(ANN, {"text": "hello"})

    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)
    assert (await stand_in.ask("GET", "/admin/faults"))["faults"][0]["used"] == 1
    assert await stand_in.messages() == []


@pytest.mark.parametrize(
    ("status", "said", "outcome", "reaction", "code"),
    [
        (400, "Invalid To phone number format.", Outcome.PERMANENT, Reaction.CONFIRM_GONE, "NoSuchNumber"),
        (400, "The From number is not yours.", Outcome.PERMANENT, Reaction.OPERATOR, "SenderRefused"),
        (404, "Not found.", Outcome.PERMANENT, Reaction.CONFIRM_GONE, "NoSuchNumber"),
        (429, "Slow down.", Outcome.RETRY, Reaction.NONE, "HTTP 429"),
        (500, "Internal.", Outcome.RETRY, Reaction.NONE, "HTTP 500"),
    ],
)
async def test_the_status_of_the_recipient_decides(stand_in, sender, status, said, outcome, reaction, code):
    await stand_in.fault("sms", at="recipient", status=status, message=said)
    result = await sender.send(ANN, {"text": "hello"})

    assert (result.outcome, result.reaction, result.code) == (outcome, reaction, code)
    assert said.rstrip(".") in result.detail


@pytest.mark.parametrize(
    ("status", "recipients", "outcome", "code"),
    [
        (202, [{"httpStatusCode": 202, "successful": True, "messageId": "m1"}], Outcome.DELIVERED, None),
        (200, [{"httpStatusCode": 202, "successful": True, "messageId": "m1"}], Outcome.DELIVERED, None),
        (200, [{"httpStatusCode": 404, "successful": False}], Outcome.PERMANENT, "NoSuchNumber"),
        (207, [{"httpStatusCode": 429, "successful": False}], Outcome.RETRY, "HTTP 429"),
        (202, [{"httpStatusCode": 202, "successful": False}], Outcome.PERMANENT, "HTTP 400"),
        (202, [], Outcome.AMBIGUOUS, "NoAnswer"),
        (200, None, Outcome.AMBIGUOUS, "NoAnswer"),
    ],
)
async def test_what_is_accepted_as_a_whole_may_be_refused_for_the_recipient(status, recipients, outcome, code):
    async with Connector() as service:
        service.then(status, {"value": recipients} if recipients is not None else b"<html>")
        acs = f"endpoint={service.url}/;accesskey=YQ=="
        result = await SmsSender(make_settings(ACS_CONNECTION_STRING=acs, SMS_FROM="+18005551234")).send(
            ANN, {"text": "hello"}
        )
    assert (result.outcome, result.code) == (outcome, code)


async def test_who_opted_out_is_left_alone_until_they_write(stand_in, sender):
    await stand_in.refuse(NUMBER)
    result = await sender.send(ANN, {"text": "hello"})

    assert (result.outcome, result.code) == (Outcome.PERMANENT, "OptedOut")
    assert result.reaction is Reaction.UNTIL_USER_WRITES


async def test_nothing_listens(stand_in):
    settings = stand_in.settings(ACS_CONNECTION_STRING="endpoint=http://127.0.0.1:9/;accesskey=YQ==")
    result = await SmsSender(settings).send(ANN, {"text": "hello"})
    assert (result.outcome, result.code) == (Outcome.RETRY, "NotConnected")


async def test_a_wrong_key_is_an_operators_business(stand_in):
    settings = stand_in.settings(ACS_CONNECTION_STRING=f"endpoint={stand_in.url};accesskey=YQ==")
    result = await SmsSender(settings).send(ANN, {"text": "hello"})
    assert (result.status, result.reaction, result.retries) == (401, Reaction.OPERATOR, 1)


async def test_what_is_no_text_message_is_never_sent(stand_in, sender):
    for recipient, payload, code in [
        (ANN, {"text": "x" * 1531}, "TooLarge"),
        (ANN, {"text": "😀" * 766}, "TooLarge"),
        (ANN, {}, "Refused"),
        (Address(kind="sms", value="0151 1"), {"text": "x"}, "Refused"),
        (Address(kind="email", value=MAILBOX), {"text": "x"}, "WrongRecipient"),
    ]:
        result = await sender.send(recipient, payload)
        assert (result.outcome, result.code) == (Outcome.PERMANENT, code)
    assert await stand_in.messages() == []
    assert (await sender.send(ANN, {"text": "x" * 1530})).outcome is Outcome.DELIVERED


async def test_a_long_text_is_cut_where_that_is_asked_for(stand_in):
    sender = SmsSender(stand_in.settings(SMS_MAX_SEGMENTS="2"))
    result = await sender.send(ANN, {"text": "word " * 200})

    assert result.detail == "2 segments of GSM-7"
    assert (await stand_in.messages())[0]["text"].endswith("word...")
    assert (await sender.send(ANN, {"text": "word " * 200, "maxSegments": 1})).detail == "1 segment of GSM-7"


async def test_many_at_once_keep_their_answers_apart(stand_in, sender):
    await stand_in.fault("sms", status=429, retryAfter=1, recipient="+4915112345600")
    people = [Address(kind="sms", value=f"+49151123456{i:02}") for i in range(20)]
    results = await asyncio.gather(*(sender.send(person, {"text": person.value}) for person in people))

    assert [result.outcome for result in results] == [Outcome.RETRY] + [Outcome.DELIVERED] * 19
    kept = {message["messageId"]: message["to"] for message in await stand_in.messages()}
    assert [kept[result.activity_id] for result in results[1:]] == [person.value for person in people[1:]]


async def test_a_text_message_stays_as_it_is(sender):
    assert (await sender.update(ANN, "x", {"text": "y"})).status == 405
    assert (await sender.delete(ANN, "x")).code == "NotSupported"


async def test_a_service_that_is_too_slow_leaves_it_open(stand_in, monkeypatch):
    monkeypatch.setattr(acs, "READ_SECONDS", 0.2)
    await stand_in.fault("sms", delay=1, times=1)
    result = await SmsSender(stand_in.settings()).send(ANN, {"text": "hello"})
    assert (result.outcome, result.code) == (Outcome.AMBIGUOUS, "NoAnswer")


async def test_an_app_without_an_identity_has_sent_nothing(stand_in, monkeypatch):
    class Nobody:
        async def get_token(self, *_scopes, **_options):
            raise ClientAuthenticationError("no identity here")

    monkeypatch.setattr(acs, "credential", lambda _: Nobody())
    result = await SmsSender(stand_in.settings()).send(ANN, {"text": "hello"})
    assert (result.outcome, result.code, result.reaction) == (Outcome.RETRY, "NoToken", Reaction.OPERATOR)


async def test_a_new_session_gets_a_new_client(stand_in, sender):
    assert (await sender.send(ANN, {"text": "1"})).outcome is Outcome.DELIVERED
    await close_session()
    assert (await sender.send(ANN, {"text": "2"})).outcome is Outcome.DELIVERED
