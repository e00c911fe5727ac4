"""Consent, opt-outs and quiet hours on the real stack, from what is said in chat to what the ledger says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.directline import Chat, HttpError, card_of, request, text_of
from tests.e2e.stack import Stack

FINAL = {"delivered", "failed", "suppressed", "ambiguous", "cancelled"}


def clock(hours: float) -> str:
    """HH:MM in UTC, that many hours from now."""
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%H:%M")


def soon(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


def notify(stack: Stack, chat: Chat, **fields: Any) -> str:
    to = {"userId": f"directline:{chat.user}"}
    return stack.api("POST", "notifications", {"to": to, "category": "orders", **fields})["id"]


def until(
    stack: Stack, identity: str, wanted: set[str] | Callable[[dict[str, Any]], bool], seconds: float = 60
) -> dict[str, Any]:
    """The notification once it has one of these states, or is as wanted."""
    end = time.monotonic() + seconds
    while True:
        found = stack.api("GET", f"notifications/{identity}")
        if wanted(found) if callable(wanted) else found["status"] in wanted:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def ended(stack: Stack, identity: str) -> dict[str, Any]:
    return until(stack, identity, FINAL)


def used(stack: Stack, rule: str) -> int:
    """How often a fault rule has struck."""
    rules = request("GET", f"{stack.channel}/admin/faults")["faults"]
    return next(found.get("used", 0) for found in rules if found["id"] == rule)


def told(chat: Chat, words: str) -> int:
    chat.poll()
    return sum(words in text_of(activity) for activity in chat.seen)


def user_path(chat: Chat) -> str:
    return "users/" + quote(f"directline:{chat.user}", safe="")


def test_stop_stops_what_waits_and_what_comes(stack: Stack, known: Chat):
    waits = notify(stack, known, text="your parcel", notBefore=soon(4))
    other = notify(stack, known, text="the news", category="news", notBefore=soon(4))
    known.ask("stop orders", "no more messages about **orders**", "taken back")
    stopped = stack.api("GET", f"notifications/{waits}")
    assert (stopped["status"], stopped["reason"]) == ("suppressed", "opted-out")
    later = ended(stack, notify(stack, known, text="another parcel"))
    assert (later["status"], later["reason"]) == ("suppressed", "opted-out")
    critical = ended(stack, notify(stack, known, text="a third parcel", priority="critical"))
    assert critical["status"] == "suppressed"
    assert ended(stack, other)["status"] == "delivered"
    output = stack.wait_ended(f"notify-{waits}")["output"]
    assert output["state"] == "suppressed"
    known.wait_text("the news")
    assert told(known, "parcel") == 0


def test_a_stop_said_while_a_message_is_tried_is_the_end_of_it(stack: Stack, known: Chat):
    refusal = {"status": 429, "retryAfter": 600, "delay": 4, "times": 1, "user": known.user}
    rule = request("POST", f"{stack.channel}/admin/faults", refusal)["id"]
    sent = notify(stack, known, text="your parcel")
    # Not before it is the message that the rule strikes, and no other.
    until(stack, sent, lambda _: used(stack, rule) == 1)
    known.ask("stop orders", "no more messages about **orders**")
    # Long before the channel's pause is over.
    view = ended(stack, sent)
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    assert (view["status"], view["reason"], view["tries"]) == ("suppressed", "opted-out", 1)
    assert told(known, "your parcel") == 0


def test_start_lets_messages_through_again(stack: Stack, known: Chat):
    known.ask("stop", "no more messages")
    assert ended(stack, notify(stack, known, text="not now"))["status"] == "suppressed"
    known.ask("external-job", "One moment please")
    known.ask("cancel", "Cancelling")
    known.wait_text("was cancelled")
    known.ask("start", "messages again")
    assert ended(stack, notify(stack, known, text="now again"))["status"] == "delivered"
    known.wait_text("now again")
    known.ask("start", "Hello")
    assert told(known, "not now") == 0


def test_quiet_hours_hold_back_what_is_not_critical(stack: Stack, known: Chat):
    known.ask(f"quiet {clock(-1)}-{clock(2)} UTC", "Your quiet hours are")
    held = until(stack, notify(stack, known, text="in peace"), {"waiting"})
    assert held["reason"] == "quiet-hours"
    assert held["waitingUntil"].startswith((datetime.now(timezone.utc) + timedelta(hours=2)).strftime("%Y-%m-%dT%H"))
    late = ended(stack, notify(stack, known, text="too late", expiresAt=soon(3600)))
    assert (late["status"], late["reason"]) == ("suppressed", "expired")
    assert ended(stack, notify(stack, known, text="burning", priority="critical"))["status"] == "delivered"
    known.wait_text("burning")
    known.ask(f"quiet {clock(-1)}-{clock(3)} UTC", "Your quiet hours are")
    later = (datetime.now(timezone.utc) + timedelta(hours=3)).strftime("%Y-%m-%dT%H")
    until(stack, held["id"], lambda view: view.get("waitingUntil", "").startswith(later))
    assert told(known, "in peace") == 0
    known.ask("quiet off", "no quiet hours")
    # What waited goes out at once.
    assert ended(stack, held["id"])["status"] == "delivered"
    known.wait_text("in peace")
    assert (told(known, "in peace"), told(known, "too late")) == (1, 0)


def test_what_waits_for_quiet_hours_is_taken_back_by_a_stop(stack: Stack, known: Chat):
    stack.api("PUT", user_path(known), {"preferences": {"quietHours": [f"{clock(-1)}-{clock(2)}"], "timeZone": "UTC"}})
    held = until(stack, notify(stack, known, text="in peace"), {"waiting"})
    known.ask("stop", "no more messages", "One message that was waiting was taken back")
    assert ended(stack, held["id"])["status"] == "suppressed"
    assert told(known, "in peace") == 0


def test_another_system_may_end_quiet_hours_for_what_waits(stack: Stack, known: Chat):
    quiet = {"quietHours": [f"{clock(-1)}-{clock(2)}"], "timeZone": "UTC"}
    stack.api("PUT", user_path(known), {"preferences": quiet})
    held = [until(stack, notify(stack, known, text=f"number {count}"), {"waiting"})["id"] for count in range(3)]
    stack.api("PUT", user_path(known), {"preferences": {"quietHours": None}})
    assert [ended(stack, identity)["status"] for identity in held] == ["delivered"] * 3
    assert [told(known, f"number {count}") for count in range(3)] == [1, 1, 1]


def test_a_zone_that_is_none_gets_a_hint(known: Chat):
    known.ask("quiet 22:00-07:00 Europe/Berlyn", "Did you mean Europe/Berlin")


def test_the_settings_card_comes_back_as_a_value(stack: Stack, known: Chat):
    ended(stack, notify(stack, known, text="so that there is a category"))
    shown = known.ask("settings", "You get all messages")
    assert '"category:orders"' in card_of(shown)
    since = len(known.seen)
    value = {
        "action": "settings",
        "all": "true",
        "category:orders": "false",
        "quietFrom": "22:00",
        "quietUntil": "07:00",
    }
    known.post(value={**value, "timeZone": "berlin"})
    known.wait_text("Saved.", "none about orders", "22:00-07:00 (Europe/Berlin)", since=since)
    found = stack.api("GET", user_path(known))
    assert found["categories"]["orders"]["optedOut"] is True
    assert found["preferences"]["timeZone"] == "Europe/Berlin"


def test_other_systems_register_and_read_people(stack: Stack, known: Chat):
    external = f"crm/{known.user}"
    body = {
        "email": "ann@example.org",
        "externalIds": [external],
        "consents": [{"channel": "email", "source": "import", "at": "2026-01-01T00:00:00Z"}],
        "preferences": {"locale": "de-DE"},
    }
    made = stack.api("PUT", user_path(known), body)
    assert made["email"] == "a…@example.org"
    found = stack.api("GET", "users/" + quote(f"external:{external}", safe=""))
    assert {"id", "aliases", "conversations", "consents"} <= set(found)
    assert found["id"] == made["id"] == stack.api("GET", f"users/{made['id']}")["id"]
    assert found["preferences"]["locale"] == "de-DE"
    sent = stack.api(
        "POST", "notifications", {"to": {"externalId": external}, "category": "orders", "text": "by your number"}
    )
    assert ended(stack, sent["id"])["status"] == "delivered"
    known.wait_text("by your number")
    assert made["id"] in all_users(stack)
    with pytest.raises(HttpError) as caught:
        stack.api("PUT", user_path(known), {"phone": "12"})
    assert (caught.value.status, '"field":"phone"' in caught.value.body) == (400, True)


def all_users(stack: Stack) -> list[str]:
    found, token = [], ""
    while token is not None:
        page = stack.api("GET", f"users?top=5&continuation={quote(token)}")
        found += [entry["id"] for entry in page["users"]]
        token = page["continuation"]
    return found


def test_the_erased_hear_nothing_until_they_write_again(stack: Stack, known: Chat):
    identity = stack.api("GET", user_path(known))["id"]
    waits = notify(stack, known, text="for somebody", notBefore=soon(60))
    assert stack.api("DELETE", user_path(known)) is None
    assert ended(stack, waits)["status"] == "suppressed"
    for path in (user_path(known), f"users/{identity}"):
        with pytest.raises(HttpError) as caught:
            stack.api("GET", path)
        assert caught.value.status == 404
    to = {"to": {"userId": identity}, "category": "orders", "text": "to nobody", "priority": "critical"}
    gone = ended(stack, stack.api("POST", "notifications", to)["id"])
    assert until(stack, waits, lambda view: view.get("erased") is True)["category"] == ""
    assert (gone["status"], gone["reason"]) == ("suppressed", "erased")
    assert identity not in all_users(stack)
    known.ask("hello", "Hello", "**1**")
    assert ended(stack, notify(stack, known, text="welcome back"))["status"] == "delivered"
    assert told(known, "to nobody") == 0


def test_somebody_asks_in_chat_to_be_forgotten(stack: Stack, known: Chat):
    sent = notify(stack, known, text="a secret")
    assert ended(stack, sent)["status"] == "delivered"
    stack.wait_ended(f"notify-{sent}")
    known.ask("erase my data", "cannot be undone")
    known.ask("erase my data now", "You are forgotten")
    with pytest.raises(HttpError) as caught:
        stack.api("GET", user_path(known))
    assert caught.value.status == 404
    left = until(stack, sent, lambda view: view.get("erased") is True)
    assert (left["status"], left["category"]) == ("delivered", "")
    with pytest.raises(HttpError) as caught:
        stack.status(f"notify-{sent}")
    assert caught.value.status == 404
    with pytest.raises(HttpError) as caught:
        stack.api("PATCH", f"notifications/{sent}", {"text": "another"})
    assert caught.value.status == 409
    known.ask("hello", "Hello", "**1**")
    assert ended(stack, notify(stack, known, text="welcome back"))["status"] == "delivered"


def test_a_number_is_reached_once_there_is_consent(stack: Stack, known: Chat):
    number = f"+4915123{time.time_ns() % 1_000_000:06}"
    stack.api("PUT", user_path(known), {"phone": number})
    refused = ended(stack, notify(stack, known, text="by text", channels=["sms"]))
    assert (refused["status"], refused["reason"]) == ("suppressed", "no-consent")
    known.ask("settings", "You get all messages")
    known.post(value={"action": "settings", "all": "true", "channel:sms": "true"})
    known.wait_text("Saved.")
    sent = ended(stack, notify(stack, known, text="by text", channels=["sms"]))
    assert (sent["status"], sent["channel"]) == ("delivered", "sms")
    shown = request("GET", f"{stack.outbox}/outbox")
    assert number in json.dumps(shown)
    assert "by text" in json.dumps(shown)
    assert told(known, "by text") == 0
    consents = stack.api("GET", user_path(known))["consents"]
    assert [(given["channel"], given["source"]) for given in consents] == [("bot", "wrote"), ("sms", "chat")]
