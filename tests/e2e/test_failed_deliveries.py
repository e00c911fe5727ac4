"""What becomes of messages that the channel refuses, throttles or loses, and sending them again."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest

from tests.e2e.directline import Chat, HttpError, request
from tests.e2e.notifying import ended, fault, notify, soon, told
from tests.e2e.stack import Stack


def test_a_refused_message_becomes_a_dead_letter_and_is_redriven_once(stack: Stack, known: Chat):
    rule = fault(stack, known, "403")
    sent = notify(stack, known, text="second chance", category="dead")
    view = ended(stack, sent["id"])
    assert (view["status"], view["reason"]) == ("failed", "Forbidden")
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    letters = stack.api("GET", "dead-letters?category=dead&code=Forbidden")["deadLetters"]
    assert sent["id"] in {letter["id"] for letter in letters}
    assert stack.api("POST", f"dead-letters/{sent['id']}/redrive")["status"] == "pending"
    view = ended(stack, sent["id"])
    assert (view["status"], view["redriven"]) == ("delivered", 1)
    assert [attempt["code"] for attempt in view["attempts"]] == ["Forbidden", None]
    with pytest.raises(HttpError) as caught:
        stack.api("POST", f"dead-letters/{sent['id']}/redrive")
    assert caught.value.status == 409
    letters = stack.api("GET", "dead-letters?category=dead")["deadLetters"]
    assert sent["id"] not in {letter["id"] for letter in letters}
    known.wait_text("second chance")
    assert told(known, "second chance") == 1


def test_all_of_a_code_are_redriven_page_by_page(stack: Stack, known: Chat):
    category = f"bulk-{uuid.uuid4().hex[:8]}"
    rule = fault(stack, known, "413")
    sent = {notify(stack, known, text=f"bulk {number}", category=category)["id"] for number in range(5)}
    for identity in sent:
        assert ended(stack, identity)["reason"] == "MessageSizeTooBig"
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    first = stack.api("GET", f"dead-letters?category={category}&limit=3")
    rest = stack.api("GET", f"dead-letters?category={category}&limit=3&continuation={first['continuation']}")
    assert {letter["id"] for letter in (*first["deadLetters"], *rest["deadLetters"])} == sent
    assert "continuation" not in rest
    since = first["deadLetters"][0]["failedAt"].replace("+", "%2B")
    assert len(stack.api("GET", f"dead-letters?category={category}&since={since}")["deadLetters"]) == 1
    answer = stack.api("POST", "dead-letters/redrive", {"code": "MessageSizeTooBig", "category": category})
    assert (set(answer["redriven"]), answer["skipped"], answer["more"]) == (sent, [], False)
    for identity in sent:
        assert ended(stack, identity)["status"] == "delivered"
    skipped = stack.api("POST", "dead-letters/redrive", {"ids": [*sent, "nobody"]})
    assert (skipped["redriven"], set(skipped["skipped"])) == ([], {*sent, "nobody"})
    assert sum(told(known, f"bulk {number}") for number in range(5)) == 5


def test_a_throttled_message_is_tried_again_when_the_channel_said(stack: Stack, known: Chat):
    fault(stack, known, "429-retry-after", retryAfter=1, times=2)
    view = ended(stack, notify(stack, known, text="patience")["id"])
    assert (view["status"], view["tries"]) == ("delivered", 3)
    assert [attempt["code"] for attempt in view["attempts"]] == ["TooManyRequests", "TooManyRequests", None]
    times = [datetime.fromisoformat(attempt["at"].replace("Z", "+00:00")) for attempt in view["attempts"]]
    assert (times[1] - times[0]).total_seconds() >= 1


def test_a_message_that_may_have_arrived_is_sent_again_or_held(stack: Stack, known: Chat):
    fault(stack, known, "drop-taken", times=1)
    view = ended(stack, notify(stack, known, text="perhaps twice")["id"])
    assert (view["status"], view["ambiguousTries"], view["attempts"][0]["code"]) == ("delivered", 1, "NoAnswer")
    known.wait_text("perhaps twice")
    assert told(known, "perhaps twice") == 2
    fault(stack, known, "drop-taken", times=1)
    view = ended(stack, notify(stack, known, text="at most once", onAmbiguous="hold")["id"])
    assert (view["status"], view["ambiguousTries"], view["tries"]) == ("ambiguous", 1, 1)
    assert told(known, "at most once") == 1


def test_a_500_is_tried_once_more_and_no_more(stack: Stack, known: Chat):
    rule = fault(stack, known, "500")
    view = ended(stack, notify(stack, known, text="broken channel")["id"])
    assert (view["status"], view["tries"]) == ("failed", 2)
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")


def test_what_one_channel_refuses_goes_by_the_next(stack: Stack, known: Chat):
    phone = {"phone": "+12015550123", "consents": [{"channel": "sms", "source": "import", "at": soon(-60)}]}
    stack.api("PUT", f"users/directline%3A{known.user}", phone)
    rule = fault(stack, known, "403")
    words = f"either way {known.user}"
    view = ended(stack, notify(stack, known, text=f"**{words}**")["id"])
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    assert (view["status"], view["channel"]) == ("delivered", "sms")
    assert [(attempt["channel"], attempt["code"]) for attempt in view["attempts"]] == [
        ("bot", "Forbidden"),
        ("sms", None),
    ]
    assert words in str(request("GET", f"{stack.outbox}/outbox"))
    only = ended(stack, notify(stack, known, text="by text message alone", channels=["sms"])["id"])
    assert (only["status"], only["channel"]) == ("delivered", "sms")
    nowhere = ended(stack, notify(stack, known, text="nowhere", channels=["email"])["id"])
    assert (nowhere["status"], nowhere["reason"]) == ("suppressed", "no-channel")
