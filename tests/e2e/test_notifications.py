"""Notifications from their API call to the message in the chat, and what the ledger says of them."""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.e2e.directline import Chat, HttpError, card_of, request, text_of
from tests.e2e.stack import Stack

FINAL = {"delivered", "failed", "suppressed", "ambiguous", "cancelled"}
ENTITY = "/runtime/webhooks/durabletask/entities/user"
CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Your parcel"}]}


def soon(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


def ask(chat: Chat, **fields: Any) -> dict[str, Any]:
    return {"to": {"userId": f"directline:{chat.user}"}, "category": "orders", **fields}


def notify(stack: Stack, chat: Chat, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    return stack.api("POST", "notifications", ask(chat, **fields), **headers)


def ended(stack: Stack, identity: str, seconds: float = 20) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while True:
        found = stack.api("GET", f"notifications/{identity}")
        if found["status"] in FINAL:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def fault(stack: Stack, chat: Chat, preset: str, **fields: Any) -> str:
    body = {"preset": preset, "conversation": chat.id, **fields}
    return request("POST", f"{stack.channel}/admin/faults", body)["id"]


def told(chat: Chat, words: str) -> int:
    chat.poll()
    return sum(words in text_of(activity) for activity in chat.seen)


@pytest.fixture
def known(chat: Chat) -> Chat:
    """Somebody who has written to the bot."""
    chat.ask("hello", "Hello")
    return chat


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
    fields = {"id": f"n-{uuid.uuid4()}", "text": "in time", "expiresAt": soon(2)}
    notify(stack, known, **fields)
    ended(stack, fields["id"])
    time.sleep(2)
    assert notify(stack, known, **fields)["status"] == "delivered"


def test_not_before_waits_and_can_be_cancelled_or_edited_meanwhile(stack: Stack, known: Chat):
    kept = notify(stack, known, text="a little later", notBefore=soon(3))
    gone = notify(stack, known, text="never sent", notBefore=soon(3))
    other = notify(stack, known, text="wrong words", notBefore=soon(3))
    view = stack.api("GET", f"notifications/{kept['id']}")
    assert (view["status"], view["reason"], "waitingUntil" in view) == ("waiting", "not-before", True)
    assert stack.api("DELETE", f"notifications/{gone['id']}")["status"] == "cancelled"
    assert stack.api("DELETE", f"notifications/{gone['id']}")["status"] == "cancelled"
    assert stack.wait_ended(f"notify-{gone['id']}", seconds=2)["output"]["state"] == "cancelled"
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


def _teams_user(stack: Stack, chat: Chat) -> dict[str, str]:
    """The person by directory and tenant, as the bot was told of them."""
    wire = request("GET", f"{stack.channel}/admin/wire")["entries"]
    for entry in reversed(wire):
        if entry["way"] == "to-bot" and entry["conversation"] == chat.id and entry["title"] == "message":
            sent = entry["body"]
            return {"aadObjectId": sent["from"]["aadObjectId"], "tenantId": sent["channelData"]["tenant"]["id"]}
    raise AssertionError(wire[-1])


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


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"to": {"userId": "directline:nobody"}}, 404, "to.userId"),
        ({"to": {"userId": "nobody"}}, 400, "to.userId"),
        ({"to": {"userId": "8:acs:1234_5678"}}, 404, "to.userId"),
        ({"to": {"conversation": "msteams:19:none@thread.tacv2"}}, 404, "to.conversation"),
        ({"to": {"conversation": "msteams"}}, 400, "to.conversation"),
        ({"to": {"conversation": {"channelId": "msteams"}}}, 400, "to.conversation.id"),
        ({"to": {"conversation": {"channelId": "msteams", "id": "19:none"}}}, 404, "to.conversation"),
        ({"to": {"aadObjectId": "a"}}, 400, "to.tenantId"),
        ({"to": {"aadObjectId": "a", "tenantId": "t"}}, 404, "to.aadObjectId"),
        ({"to": {"externalId": "crm-none"}}, 404, "to.externalId"),
        ({"to": {}}, 400, "to"),
        ({"to": {"name": "Ann"}}, 400, "to.name"),
        ({"to": None}, 400, "to"),
        ({"id": "a/b"}, 400, "id"),
        ({"id": "x" * 91}, 400, "id"),
        ({"id": 5}, 400, "id"),
        ({"category": "Orders!"}, 400, "category"),
        ({"priority": "urgent"}, 400, "priority"),
        ({"text": None}, 400, "text"),
        ({"text": ""}, 400, "text"),
        ({"text": "x" * 41_000}, 413, "text"),
        ({"text": None, "card": {**CARD, "body": [{"type": "TextBlock", "text": "x" * 41_000}]}}, 413, "card"),
        ({"text": None, "card": {**CARD, "body": [{"type": "Blink"}]}}, 400, "card.body.0.type"),
        ({"text": None, "card": {"type": "HeroCard"}}, 400, "card"),
        ({"template": "t"}, 400, "template"),
        ({"text": None, "template": "no-such-template", "data": {}}, 404, "template"),
        ({"data": {}}, 400, "template"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 400, "expiresAt"),
        ({"expiresAt": "2020-01-01T00:00:00"}, 400, "expiresAt"),
        ({"notBefore": "tomorrow"}, 400, "notBefore"),
        ({"notBefore": "9999-01-01T00:00:00Z"}, 400, "notBefore"),
        ({"link": "javascript:alert(1)"}, 400, "link"),
        ({"channels": []}, 400, "channels"),
        ({"channels": ["fax"]}, 400, "channels"),
        ({"onAmbiguous": "pray"}, 400, "onAmbiguous"),
        ({"notbefore": "2030-01-01T00:00:00Z"}, 400, "notbefore"),
    ],
)
def test_a_bad_request_names_the_field(stack: Stack, known_user: Chat, change: dict[str, Any], status: int, field: str):
    body = {name: value for name, value in {**ask(known_user, text="x"), **change}.items() if value is not None}
    with pytest.raises(HttpError) as caught:
        stack.api("POST", "notifications", body)
    assert (caught.value.status, f'"field":"{field}"' in caught.value.body) == (status, True), caught.value.body


@pytest.fixture(scope="module")
def known_user(stack: Stack) -> Chat:
    chat = Chat(stack.channel, f"dl_known{time.time_ns()}")
    chat.ask("hello", "Hello")
    return chat


@pytest.mark.parametrize("path", ["notifications/none", "notifications/none-result"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id_is_not_found(stack: Stack, path: str, method: str):
    with pytest.raises(HttpError) as caught:
        stack.api(method, path)
    assert caught.value.status == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "since=yesterday", "since=2026-01-01T00:00:00"])
def test_a_bad_query_of_dead_letters_names_the_field(stack: Stack, query: str):
    with pytest.raises(HttpError) as caught:
        stack.api("GET", f"dead-letters?{query}")
    assert (caught.value.status, f'"field":"{query.partition("=")[0]}"' in caught.value.body) == (400, True)


def test_the_delivery_of_an_operations_result_can_be_looked_at(stack: Stack, known: Chat):
    started = stack.api("POST", "operations", {"operation": "external-job", "user": f"directline:{known.user}"})
    stack.api("DELETE", f"operations/{started['id']}")
    known.wait_text("was cancelled")
    assert ended(stack, f"{started['id']}-result")["status"] == "delivered"
