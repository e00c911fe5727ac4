"""Notifications from their API call to the message in the chat, and what the ledger says of them."""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.directline import Chat, HttpError, card_of, request, text_of
from tests.e2e.notifying import CARD, ended, fault, notify, soon, told
from tests.e2e.stack import Stack


def test_a_notification_arrives_and_says_so(stack: Stack, known: Chat):
    accepted = notify(
        stack, known, id=f"order-{known.user}", text="Order 7 has shipped.", link="https://shop.example/7"
    )
    assert accepted["id"] == f"order-{known.user}"
    message = known.wait_text("Order 7 has shipped.", "https://shop.example/7")
    assert message["channelData"]["deliveryId"].endswith(accepted["id"])
    view = ended(stack, accepted["id"])
    assert accepted["statusUrl"].endswith(f"/api/notifications/{accepted['id']}")
    assert (view["status"], view["channel"], view["tries"], view["ambiguousTries"]) == ("delivered", "bot", 1, 0)
    assert [attempt["outcome"] for attempt in view["attempts"]] == ["delivered"]
    assert view["attempts"][0]["status"] in {200, 201}
    assert 0 <= view["attempts"][0]["latencySeconds"] < 20
    assert 0 <= view["latencySeconds"] < 20
    assert datetime.fromisoformat(view["deliveredAt"].replace("Z", "+00:00")) <= datetime.now(timezone.utc)


def test_a_card_arrives_with_its_link(stack: Stack, known: Chat):
    accepted = notify(stack, known, card=CARD, text="Your parcel", link="https://shop.example/8")
    ended(stack, accepted["id"])
    card = known.wait(lambda activity: "Your parcel" in card_of(activity))
    assert "https://shop.example/8" in card_of(card)
    assert card["summary"] == "Your parcel"


def test_the_same_id_is_once_and_another_body_a_conflict(stack: Stack, known: Chat):
    identity = f"n-{uuid.uuid4()}"
    first = notify(stack, known, id=identity, text="only once")
    again = notify(stack, known, id=identity, text="only once")
    assert again["id"] == first["id"]
    with pytest.raises(HttpError) as caught:
        notify(stack, known, id=identity, text="something else")
    assert caught.value.status == 409
    assert '"field":"id"' in caught.value.body
    ended(stack, identity)
    assert notify(stack, known, id=identity, text="only once")["status"] == "delivered"
    time.sleep(0.5)
    assert told(known, "only once") == 1


def test_an_idempotency_key_is_as_good_as_an_id(stack: Stack, known: Chat):
    key = {"headers": {"Idempotency-Key": f"key {known.user}"}}
    first = notify(stack, known, text="keyed", **key)
    assert notify(stack, known, text="keyed", **key)["id"] == first["id"]
    with pytest.raises(HttpError) as caught:
        notify(stack, known, text="keyed otherwise", **key)
    assert caught.value.status == 409
    ended(stack, first["id"])
    assert told(known, "keyed") == 1


def test_the_first_answer_stands_when_its_time_has_passed(stack: Stack, known: Chat):
    expires = datetime.now(timezone.utc) + timedelta(seconds=3)
    fields = {"id": f"n-{uuid.uuid4()}", "text": "in time", "expiresAt": expires.isoformat()}
    notify(stack, known, **fields)
    end = ended(stack, fields["id"])["status"]
    while datetime.now(timezone.utc) <= expires:
        time.sleep(0.1)
    assert notify(stack, known, **fields)["status"] == end


def test_not_before_waits_and_can_be_cancelled_or_edited_meanwhile(stack: Stack, known: Chat):
    kept = notify(stack, known, text="a little later", notBefore=soon(8))
    gone = notify(stack, known, text="never sent", notBefore=soon(8))
    other = notify(stack, known, text="wrong words", notBefore=soon(8))
    view = stack.api("GET", f"notifications/{kept['id']}")
    assert (view["status"], view["reason"], "waitingUntil" in view) == ("waiting", "not-before", True)
    assert stack.api("DELETE", f"notifications/{gone['id']}")["status"] == "cancelled"
    assert stack.api("DELETE", f"notifications/{gone['id']}")["status"] == "cancelled"
    assert stack.wait_ended(f"notify-{gone['id']}")["output"]["state"] == "cancelled"
    stack.api("PATCH", f"notifications/{other['id']}", {"text": "right words"})
    assert ended(stack, kept["id"])["status"] == "delivered"
    assert ended(stack, other["id"])["status"] == "delivered"
    known.wait_text("a little later")
    known.wait_text("right words")
    assert told(known, "never sent") == told(known, "wrong words") == 0


def test_what_direct_line_cannot_take_back_is_a_conflict(stack: Stack, known: Chat):
    sent = notify(stack, known, text="said is said")
    ended(stack, sent["id"])
    for method, body in (("DELETE", None), ("PATCH", {"text": "unsaid"})):
        with pytest.raises(HttpError) as caught:
            stack.api(method, f"notifications/{sent['id']}", body)
        assert caught.value.status == 409
        assert "send a new one" in caught.value.body


def test_where_the_channel_can_a_message_is_edited_and_recalled(stack: Stack):
    chat = Chat(stack.channel, f"dl_teams{time.time_ns()}", channelId="msteams")
    chat.ask("hello", "Hello")
    body = {"to": _teams_user(stack, chat), "category": "orders", "text": "as it was"}
    sent = stack.api("POST", "notifications", body)
    ended(stack, sent["id"])
    chat.wait_text("as it was")
    edited = stack.api("PATCH", f"notifications/{sent['id']}", {"text": "as it is"})
    assert "editedAt" in edited
    chat.wait_text("as it is")
    recalled = stack.api("DELETE", f"notifications/{sent['id']}")
    assert (recalled["status"], "recalledAt" in recalled) == ("delivered", True)
    assert stack.api("DELETE", f"notifications/{sent['id']}")["recalledAt"] == recalled["recalledAt"]
    with pytest.raises(HttpError) as caught:
        stack.api("PATCH", f"notifications/{sent['id']}", {"text": "too late"})
    assert caught.value.status == 409


def test_what_is_too_large_for_teams_goes_by_the_next_channel(stack: Stack):
    chat = Chat(stack.channel, f"dl_teams{time.time_ns()}", channelId="msteams")
    chat.ask("hello", "Hello")
    to = _teams_user(stack, chat)
    buttons = [{"type": "Action.Submit", "title": str(number)} for number in range(200)]
    words = f"Your parcel {time.time_ns()}"
    card = {**CARD, "body": [{"type": "TextBlock", "text": f"{words} {'x' * 30_000}"}]}
    # Far over the 28 KB that Teams' cards had once, and within what a message has.
    assert ended(stack, notify(stack, chat, to=to, card=card)["id"])["channel"] == "bot"
    with pytest.raises(HttpError) as caught:
        notify(stack, chat, to=to, card={**card, "actions": buttons})
    assert caught.value.status == 413
    email = {"email": "ann@example.org", "consents": [{"channel": "email", "source": "import", "at": soon(-60)}]}
    stack.api("PUT", f"users/aad%3A{to['tenantId']}%3A{to['aadObjectId']}", email)
    view = ended(stack, notify(stack, chat, to=to, card={**card, "actions": buttons})["id"])
    tries = [(attempt["channel"], attempt.get("code")) for attempt in view["attempts"]]
    assert tries == [("bot", "MessageSizeTooBig"), ("email", None)]
    assert words in str(request("GET", f"{stack.outbox}/outbox"))


def _teams_user(stack: Stack, chat: Chat) -> dict[str, str]:
    """The person by directory and tenant, as the bot was told of them."""
    wire = request("GET", f"{stack.channel}/admin/wire")["entries"]
    for entry in reversed(wire):
        if entry["way"] == "to-bot" and entry["conversation"] == chat.id and entry["title"] == "message":
            sent = entry["body"]
            return {"aadObjectId": sent["from"]["aadObjectId"], "tenantId": sent["channelData"]["tenant"]["id"]}
    raise AssertionError(wire[-1])


def test_a_template_is_rendered_and_its_data_checked(stack: Stack, known: Chat):
    data = {"text": "Water the plants"}
    sent = notify(stack, known, template="reminder", data=data, link="https://shop.example/9")
    assert ended(stack, sent["id"])["status"] == "delivered"
    shown = known.wait(lambda activity: data["text"] in text_of(activity) + card_of(activity))
    assert "https://shop.example/9" in text_of(shown) + card_of(shown)
    with pytest.raises(HttpError) as caught:
        notify(stack, known, template="reminder", data={})
    assert caught.value.status == 400
    assert '"field":"data' in caught.value.body


def test_what_cannot_go_out_in_time_is_suppressed(stack: Stack, known: Chat):
    rule = fault(stack, known, "429-retry-after", retryAfter=30)
    view = ended(stack, notify(stack, known, text="stale news", expiresAt=soon(10))["id"])
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    assert (view["status"], view["reason"], view["tries"]) == ("suppressed", "expired", 1)


def test_the_delivery_of_an_operations_result_can_be_looked_at(stack: Stack, known: Chat):
    started = stack.api("POST", "operations", {"operation": "external-job", "user": f"directline:{known.user}"})
    stack.api("DELETE", f"operations/{started['id']}")
    known.wait_text("was cancelled")
    assert ended(stack, f"{started['id']}-result")["status"] == "delivered"
