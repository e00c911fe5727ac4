from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from ringback.channels.address import Address
from ringback.channels.email_acs import AcsEmailSender
from ringback.channels.port import Once, Outcome, Reaction
from tests.contract.outbox.conftest import MAILBOX, NUMBER

ANN = Address(kind="email", value=MAILBOX, name="Ann Ä")
MAIL = {"subject": "Your order", "text": "It is on its way.", "html": "<p>It is on its way.</p>"}
FIRST = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)


@pytest.fixture
def sender(stand_in) -> AcsEmailSender:
    return AcsEmailSender(stand_in.settings())


def once(*, repeated: bool = False) -> Once:
    return Once(key="d1/1", first_sent=FIRST, repeated=repeated)


async def test_an_email_arrives_in_both_forms(stand_in, sender):
    result = await sender.send(ANN, {**MAIL, "headers": {"List-Unsubscribe": "<https://example.org/u>"}})

    assert result.outcome is Outcome.DELIVERED
    (kept,) = await stand_in.messages(to=MAILBOX)
    assert (kept["kind"], kept["from"], kept["name"]) == ("email", "hello@example.org", "Ann Ä")
    assert (kept["subject"], kept["text"], kept["html"]) == tuple(MAIL.values())
    assert kept["headers"] == {"List-Unsubscribe": "<https://example.org/u>"}
    assert result.activity_id == kept["messageId"]
    assert result.detail == "accepted; the operation is Succeeded"


async def test_a_repeated_attempt_is_one_email(stand_in, sender):
    await stand_in.fault("email", drop=True, taken=True, times=1)
    lost = await sender.send(ANN, MAIL, once=once())
    again = await sender.send(ANN, MAIL, once=once(repeated=True))
    careless = await sender.send(ANN, MAIL, once=once())

    assert (lost.outcome, lost.code) == (Outcome.AMBIGUOUS, "NoAnswer")
    assert again.outcome is careless.outcome is Outcome.DELIVERED
    (kept,) = await stand_in.messages()
    assert again.activity_id == careless.activity_id == kept["messageId"]


async def test_a_repeated_attempt_that_never_arrived_is_sent(stand_in, sender):
    await stand_in.fault("email", drop=True, times=1)
    await sender.send(ANN, MAIL, once=once())
    assert (await sender.send(ANN, MAIL, once=once(repeated=True))).outcome is Outcome.DELIVERED
    assert len(await stand_in.messages()) == 1


async def test_a_repeated_attempt_of_which_nothing_can_be_known_stays_ambiguous(stand_in):
    sender = AcsEmailSender(stand_in.settings(EMAIL_WAIT_SECONDS="0"))
    await stand_in.fault("email", at="status", status=503, retryAfter=3)
    result = await sender.send(ANN, MAIL, once=once(repeated=True))

    assert (result.outcome, result.status, result.retry_after) == (Outcome.AMBIGUOUS, 503, 3)
    assert await stand_in.messages() == []


async def test_an_id_used_for_another_email_is_ambiguous_or_told(stand_in, sender):
    await sender.send(ANN, MAIL, once=once())
    # The service says 409; what became of the first one is then its answer.
    result = await sender.send(ANN, {**MAIL, "text": "changed"}, once=once())
    assert result.outcome is Outcome.DELIVERED
    assert [kept["text"] for kept in await stand_in.messages()] == [MAIL["text"]]


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "retry_after"),
    [
        ({"status": 429, "retryAfter": 9}, Outcome.RETRY, "TooManyRequests", 9),
        ({"status": 500}, Outcome.RETRY, "InternalServerError", None),
        ({"status": 502, "html": True}, Outcome.RETRY, "HTTP 502", None),
        ({"status": 504}, Outcome.AMBIGUOUS, "InternalServerError", None),
        ({"status": 404, "code": "DomainNotLinked"}, Outcome.PERMANENT, "DomainNotLinked", None),
        ({"status": 400, "code": "X", "message": "Invalid sender."}, Outcome.PERMANENT, "SenderRefused", None),
        ({"drop": True}, Outcome.AMBIGUOUS, "NoAnswer", None),
    ],
)
async def test_an_answer_is_judged_and_nothing_is_tried_again_by_the_sdk(
    stand_in, sender, fault, outcome, code, retry_after
):
    await stand_in.fault("email", **fault)
    result = await sender.send(ANN, MAIL)

    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)
    assert (await stand_in.ask("GET", "/admin/faults"))["faults"][0]["used"] == 1


async def test_a_mailbox_on_the_suppression_list(stand_in, sender):
    await stand_in.refuse(MAILBOX)
    result = await sender.send(ANN, MAIL)

    assert (result.outcome, result.reaction) == (Outcome.PERMANENT, Reaction.UNTIL_USER_WRITES)
    assert result.code == "EmailDroppedAllRecipientsSuppressed"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("InternalServerError", Outcome.RETRY), ("TooManyRequests", Outcome.RETRY), ("Odd", Outcome.PERMANENT)],
)
async def test_an_operation_that_fails(stand_in, sender, code, outcome):
    await stand_in.fault("email", at="operation", code=code)
    result = await sender.send(ANN, MAIL)
    assert (result.outcome, result.code) == (outcome, code)


async def test_a_running_operation_is_waited_for(stand_in, tmp_path):
    from local.services.outbox.server import Outbox
    from tests.contract.outbox.conftest import StandIn, free_ports

    ports = free_ports()
    slow = Outbox(tmp_path / "slow", email_seconds=1.0)
    await slow.start_http("127.0.0.1", ports[0])
    settings = StandIn(*ports, http=None).settings
    try:
        began = time.monotonic()
        waited = await AcsEmailSender(settings()).send(ANN, MAIL)
        assert (waited.outcome, waited.detail) == (Outcome.DELIVERED, "accepted; the operation is Succeeded")
        assert time.monotonic() - began > 0.9
        hasty = AcsEmailSender(settings(EMAIL_WAIT_SECONDS="0"))
        accepted = await hasty.send(ANN, MAIL)
        assert (accepted.outcome, accepted.detail) == (Outcome.DELIVERED, "accepted; the operation is Running")
        assert (await hasty.outcome(waited.activity_id)).outcome is Outcome.DELIVERED
    finally:
        await slow.close()


async def test_what_is_no_email_is_never_sent(stand_in, sender):
    for recipient, payload, code in [
        (ANN, {"subject": "x"}, "Refused"),
        (ANN, {**MAIL, "headers": {"Bcc": "eve@example.org"}}, "Refused"),
        (ANN, {**MAIL, "headers": {"X-A": "b\r\nBcc: eve@example.org"}}, "Refused"),
        (ANN, {**MAIL, "html": "x" * 9_000_000}, "Refused"),
        (Address(kind="email", value="ann@example"), MAIL, "Refused"),
        (Address(kind="sms", value=NUMBER), MAIL, "WrongRecipient"),
    ]:
        result = await sender.send(recipient, payload)
        assert (result.outcome, result.code) == (Outcome.PERMANENT, code)
    assert await stand_in.messages() == []


async def test_an_email_stays_as_it_is(sender):
    assert (await sender.update(ANN, "x", MAIL)).status == 405
    assert (await sender.delete(ANN, "x")).code == "NotSupported"
