"""The rows of the table for SMS, e-mail and mail servers; those of the bot's channels are in test_policy."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.channels.port import Outcome, Reaction
from ringback.delivery.policy import OPERATION_FAILED, RULES, Service, classify, classify_reply

D, R, P, A = Outcome.DELIVERED, Outcome.RETRY, Outcome.PERMANENT, Outcome.AMBIGUOUS
NONE, WRITES, OPERATOR, GONE = (
    Reaction.NONE,
    Reaction.UNTIL_USER_WRITES,
    Reaction.OPERATOR,
    Reaction.CONFIRM_GONE,
)


def error(code: str = "", message: str = "") -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message}})


@pytest.mark.parametrize(
    ("service", "status", "body", "outcome", "reaction", "code"),
    [
        ("sms", 400, error("", "Recipient has opted out."), P, WRITES, "OptedOut"),
        ("sms", 400, error("", "On the opt-out list"), P, WRITES, "OptedOut"),
        ("sms", 403, error("", "Sender blocked for given recipient."), P, WRITES, "OptedOut"),
        ("sms", 400, error("", "Invalid To phone number format."), P, GONE, "NoSuchNumber"),
        ("sms", 400, error("", "Invalid From phone number."), P, OPERATOR, "SenderRefused"),
        ("sms", 400, error("RepeatabilityRejected"), R, NONE, "RepeatabilityRejected"),
        ("sms", 400, error("BadRequest", "?"), P, NONE, "BadRequest"),
        ("sms", 401, error("Denied"), R, OPERATOR, "Denied"),
        ("sms", 403, b"", P, OPERATOR, "HTTP 403"),
        ("sms", 404, b"", P, GONE, "NoSuchNumber"),
        ("sms", 408, b"", R, NONE, "HTTP 408"),
        ("sms", 409, b"", A, NONE, "HTTP 409"),
        ("sms", 412, b"", R, NONE, "HTTP 412"),
        ("sms", 413, b"", P, NONE, "HTTP 413"),
        ("sms", 429, error("TooManyRequests"), R, NONE, "TooManyRequests"),
        ("sms", 500, error("InternalServerError"), R, NONE, "InternalServerError"),
        ("sms", 503, b"<html>", R, NONE, "HTTP 503"),
        ("sms", 504, b"", A, NONE, "HTTP 504"),
        ("email", 400, error("BadRequest", "Invalid sender."), P, OPERATOR, "SenderRefused"),
        ("email", 400, error("BadRequest"), P, NONE, "BadRequest"),
        ("email", 401, error("Denied"), R, OPERATOR, "Denied"),
        ("email", 404, error("DomainNotLinked"), P, OPERATOR, "DomainNotLinked"),
        ("email", 404, b"", P, OPERATOR, "HTTP 404"),
        ("email", 409, b"", A, NONE, "HTTP 409"),
        ("email", 429, b"", R, NONE, "HTTP 429"),
        ("email", 504, b"", A, NONE, "HTTP 504"),
        ("email", OPERATION_FAILED, error("EmailDroppedAllRecipientsSuppressed"), P, WRITES, None),
        ("email", OPERATION_FAILED, error("InternalServerError"), R, NONE, None),
        ("email", OPERATION_FAILED, error("Canceled"), R, NONE, None),
        ("email", OPERATION_FAILED, error("Else"), P, NONE, "Else"),
    ],
)
def test_the_rows_of_azure_communication_services(service, status, body, outcome, reaction, code):
    result = classify(status, {}, body, service=Service(service))
    expected = code or msgspec.json.decode(body)["error"]["code"]
    assert (result.outcome, result.reaction, result.code) == (outcome, reaction, expected)
    assert result.detail


@pytest.mark.parametrize(
    ("code", "text", "refused", "outcome", "reaction", "told"),
    [
        (421, "4.3.2 Closing", "", R, NONE, "421 4.3.2"),
        (450, "4.2.1 Busy", "RecipientRefused", R, NONE, "450 4.2.1"),
        (451, "", "", R, NONE, "451"),
        (452, "4.5.3 Too many", "RecipientRefused", R, NONE, "452 4.5.3"),
        (454, "4.7.0 Later", "", R, NONE, "454 4.7.0"),
        (454, "5.7.8 Never", "", P, OPERATOR, "454 5.7.8"),
        (471, "?", "", R, NONE, "471"),
        (500, "5.5.2 Syntax", "", P, NONE, "500 5.5.2"),
        (530, "5.7.0 Login first", "SenderRefused", P, OPERATOR, "530 5.7.0"),
        (534, "5.7.9", "", P, OPERATOR, "534 5.7.9"),
        (535, "5.7.8 Wrong", "", P, OPERATOR, "535 5.7.8"),
        (538, "5.7.11", "", P, OPERATOR, "538 5.7.11"),
        (550, "5.7.1 Not yours", "SenderRefused", P, OPERATOR, "550 5.7.1"),
        (550, "5.1.1 Nobody", "RecipientRefused", P, GONE, "550 5.1.1"),
        (550, "5.1.10 Null MX", "RecipientRefused", P, GONE, "550 5.1.10"),
        (550, "No such user", "RecipientRefused", P, GONE, "550"),
        (550, "5.7.1 Policy", "RecipientRefused", P, NONE, "550 5.7.1"),
        (550, "Spam", "", P, NONE, "550"),
        (551, "Moved", "RecipientRefused", P, GONE, "551"),
        (552, "5.2.2 Full", "RecipientRefused", R, NONE, "552 5.2.2"),
        (552, "5.3.4 Big", "", P, NONE, "552 5.3.4"),
        (553, "", "SenderRefused", P, OPERATOR, "553"),
        (553, "", "RecipientRefused", P, GONE, "553"),
        (554, "5.1.1", "", P, GONE, "554 5.1.1"),
        (554, "5.7.1 Spam", "", P, NONE, "554 5.7.1"),
        (599, "", "", P, NONE, "599"),
    ],
)
def test_the_rows_of_mail_servers(code, text, refused, outcome, reaction, told):
    result = classify_reply(code, text, refused)
    assert (result.outcome, result.reaction, result.code, result.status) == (outcome, reaction, told, code)
    assert result.detail.startswith(f"SMTP {code}")


def test_each_service_sees_its_own_rows_alone():
    """HTTP's 421 and 450 are no mail server's, and a mail server's 504 is no lost message."""
    assert classify(421, {}, b"").outcome is P
    assert classify_reply(504, "5.5.4 Not implemented").outcome is P
    assert classify_reply(429, "").outcome is R
    assert classify(409, {}, b"").outcome is P
    assert classify(400, {}, error("", "opted out")).reaction is OPERATOR


def test_retry_after_is_read_for_every_service():
    assert classify(429, {"Retry-After": "7"}, b"", service=Service.SMS).retry_after == 7


def test_no_row_hides_behind_another():
    def seen(index: int, service: Service) -> bool:
        rule = RULES[index]
        before = [r for r in RULES[:index] if r.status == rule.status and service in r.services]
        return all(r.sign and r.sign.lower() not in rule.sign.lower() for r in before)

    for index, rule in enumerate(RULES):
        assert any(seen(index, service) for service in rule.services), rule


@given(st.sampled_from(list(Service)), st.integers(0, 999), st.binary(max_size=300), st.text(max_size=100))
def test_no_answer_of_any_service_raises(service, status, body, text):
    assert classify(status, {}, body, service=service).outcome in Outcome
    assert len(classify_reply(status, text).detail) <= 300
