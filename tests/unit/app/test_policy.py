import json
import time

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.channels.port import Outcome, Reaction
from ringback.delivery.policy import LONGEST_WAIT, backoff, classify, no_answer, retry_after

D, R, P, A = Outcome.DELIVERED, Outcome.RETRY, Outcome.PERMANENT, Outcome.AMBIGUOUS


def error(code, message="words"):
    return msgspec.json.encode({"error": {"code": code, "message": message}})


def nested(inner):
    return error("Forbidden", msgspec.json.encode(inner).decode())


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reaction", "code"),
    [
        (200, b'{"id":"1"}', D, Reaction.NONE, None),
        (201, b'{"id":"1"}', D, Reaction.NONE, None),
        (202, b"{}", D, Reaction.NONE, None),
        (204, b"", D, Reaction.NONE, None),
        (200, b"<!doctype html><title>Sign in</title>", A, Reaction.NONE, "NotTheChannel"),
        (302, b"", P, Reaction.OPERATOR, "Redirect"),
        (307, b"", P, Reaction.OPERATOR, "Redirect"),
        (400, error("BadSyntax"), P, Reaction.OPERATOR, "BadSyntax"),
        (401, b'{"message":"Authorization has been denied for this request."}', P, Reaction.OPERATOR, "HTTP 401"),
        (402, b"", P, Reaction.NONE, "HTTP 402"),
        (403, error("ConversationBlockedByUser"), P, Reaction.UNTIL_USER_WRITES, "ConversationBlockedByUser"),
        (403, error("BotDisabledByAdmin"), P, Reaction.UNTIL_USER_WRITES, "BotDisabledByAdmin"),
        (
            403,
            nested({"subCode": "MessageWritesBlocked", "details": None, "errorCode": 209, "errorSubCode": 1}),
            P,
            Reaction.UNTIL_USER_WRITES,
            "MessageWritesBlocked",
        ),
        (403, nested({"errorCode": 209}), P, Reaction.UNTIL_USER_WRITES, "Forbidden"),
        (
            403,
            nested({"error": {"code": "MessageWritesBlocked"}}),
            P,
            Reaction.UNTIL_USER_WRITES,
            "MessageWritesBlocked",
        ),
        (403, error("BotNotInConversationRoster"), P, Reaction.UNTIL_INSTALLED, "BotNotInConversationRoster"),
        (403, error("ForbiddenOperationException"), P, Reaction.UNTIL_INSTALLED, "ForbiddenOperationException"),
        (403, error("InvalidBotApiHost"), P, Reaction.OPERATOR, "InvalidBotApiHost"),
        (403, error("ServiceError", "Failed to decrypt conversation id"), P, Reaction.NONE, "ServiceError"),
        (403, error("SomethingElse"), P, Reaction.NONE, "SomethingElse"),
        (403, b"<html>blocked by a firewall</html>", P, Reaction.NONE, "HTTP 403"),
        (404, error("ConversationNotFound"), P, Reaction.CONFIRM_GONE, "ConversationNotFound"),
        (404, error("ActivityNotFound"), P, Reaction.NONE, "ActivityNotFound"),
        (404, b"", P, Reaction.CONFIRM_GONE, "HTTP 404"),
        (405, error("BadArgument", "This channel does not support this operation"), P, Reaction.NONE, "BadArgument"),
        (408, b"", R, Reaction.NONE, "HTTP 408"),
        (412, error("PreconditionFailed"), R, Reaction.NONE, "PreconditionFailed"),
        (413, error("MessageSizeTooBig"), P, Reaction.NONE, "MessageSizeTooBig"),
        (429, error("TooManyRequests"), R, Reaction.NONE, "TooManyRequests"),
        (500, error("ServiceError"), R, Reaction.NONE, "ServiceError"),
        (501, b"", P, Reaction.NONE, "HTTP 501"),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", R, Reaction.NONE, "HTTP 502"),
        (503, b"", R, Reaction.NONE, "HTTP 503"),
        (504, error("GatewayTimeout"), A, Reaction.NONE, "GatewayTimeout"),
        (520, b"", R, Reaction.NONE, "HTTP 520"),
    ],
)
def test_the_table(status, body, outcome, reaction, code):
    result = classify(status, {}, body)
    assert (result.outcome, result.reaction, result.code, result.status) == (outcome, reaction, code, status)
    assert result.outcome is D or result.detail


def test_a_delivery_keeps_the_activity_id():
    assert classify(201, {}, b'{"id":"c|0000001"}').activity_id == "c|0000001"
    assert classify(201, {}, b'{"id":7}').activity_id is None
    assert classify(201, {}, b"[]").activity_id is None


def test_a_service_error_is_worth_one_more_attempt_only():
    assert classify(500, {}, error("ServiceError")).retries == 1
    assert classify(503, {}, b"").retries is None


def test_the_detail_tells_an_operator_what_to_do():
    detail = classify(401, {}, error("Unauthorized", "Authorization has been denied\nfor this request.")).detail
    assert "HTTP 401" in detail
    assert "MicrosoftAppPassword" in detail
    assert "denied for this request" in detail
    assert len(classify(502, {}, b"x" * 10_000).detail) <= 300


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 0.0),
        ("soon", None),
        ("99 Foo 9999", None),
        # Dates that name no zone are GMT; the old spellings still come.
        ("Thu, 01 Jan 1970 00:02:00", 20.0),
        ("Thu Jan  1 00:02:00 1970", 20.0),
        ("Thu, 01 Jan 1970 00:02:00 -0000", 20.0),
        ("Thursday, 01-Jan-70 00:02:00 GMT", 20.0),
        # However far away, it can be added to a date.
        ("1e12", LONGEST_WAIT),
        ("1e300", LONGEST_WAIT),
        ("9" * 400, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after(value, now=lambda: 100.0) == seconds


def test_retry_after_does_not_depend_on_the_zone_of_this_machine(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after("Thu, 01 Jan 1970 00:02:00", now=lambda: 100.0) == 20.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_retry_after_of_an_answer_is_found_in_any_case():
    assert classify(429, {"retry-after": "12"}, b"").retry_after == 12
    assert classify(503, {"Retry-After": "3"}, b"").retry_after == 3


def test_no_answer_depends_on_what_went_out():
    assert no_answer(aiohttp.ServerDisconnectedError(), went_out=True).outcome is A
    result = no_answer(OSError("refused"), went_out=False)
    assert (result.outcome, result.detail) == (R, "OSError: refused")


def test_backoff_is_jitter_below_a_growing_bound():
    assert [backoff(n, random=lambda: 1.0) for n in (0, 1, 2, 3, 9, 10, 10_000)] == [1, 1, 2, 4, 256, 300, 300]
    assert backoff(5, random=lambda: 0.0) == 0
    assert backoff(3, base=0.5, cap=1.5, random=lambda: 0.5) == 0.75


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "innererror", "subCode", "errorCode", "body", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(
    st.integers(200, 599),
    st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["Retry-After", "X"]), st.text(max_size=12)),
)
def test_no_answer_of_a_channel_raises(status, body, headers):
    result = classify(status, headers, body)
    assert result.status == status
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


def test_bottomless_nesting_ends():
    body = error("A")
    for _ in range(10):  # each level doubles the backslashes
        body = error("B", body.decode())
    assert classify(403, {}, body).outcome is P
    assert classify(403, {}, b'{"error":' * 5000 + b"1" + b"}" * 5000).outcome is P
