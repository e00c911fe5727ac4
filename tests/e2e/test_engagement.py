"""Buttons of delivered cards, from the press in the chat to what other systems are told of it."""

from __future__ import annotations

import threading
import time
import urllib.request
import uuid
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from tests.e2e.directline import Activity, Chat, HttpError, card_of, request
from tests.e2e.stack import Stack

LINK = "https://shop.example/orders/7"
NAMES = ("view", "dismiss", "rate")
CARD = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [{"type": "TextBlock", "text": "Your parcel"}],
    "actions": [{"type": "Action.Submit", "title": name, "data": {"action": name}} for name in NAMES],
}
WORDS = "Your parcel"


@pytest.fixture
def presser(chat: Chat) -> Chat:
    """Somebody who has written to the bot."""
    chat.ask("hello", "Hello")
    return chat


def notify(stack: Stack, chat: Chat, **fields: Any) -> str:
    body = {"to": {"userId": f"directline:{chat.user}"}, "category": "orders", **fields}
    return str(stack.api("POST", "notifications", body)["id"])


def wait_delivered(stack: Stack, identity: str) -> None:
    wait_for(lambda: stack.api("GET", f"notifications/{identity}")["status"] == "delivered")


def send_card(stack: Stack, chat: Chat, **fields: Any) -> tuple[str, dict[str, Any]]:
    """A delivered card: its id, and the data behind each of its buttons, by title."""
    sent = notify(stack, chat, card=CARD, text=WORDS, link=LINK, **fields)
    wait_delivered(stack, sent)
    card = chat.wait(lambda activity: _delivery(activity).endswith(sent), seconds=60)
    actions = card["attachments"][0]["content"]["actions"]
    assert [action["url"] for action in actions if action["type"] == "Action.OpenUrl"] == [LINK]
    return sent, {action["title"]: action.get("data") for action in actions}


def _delivery(activity: Activity) -> str:
    return str((activity.get("channelData") or {}).get("deliveryId"))


def press(chat: Chat, data: Any, *words: str) -> Activity:
    since = len(chat.seen)
    chat.post(value=data)
    return chat.wait_text(*words, seconds=60, since=since)


def presses(stack: Stack, identity: str) -> dict[str, int]:
    found = stack.api("GET", f"notifications/{identity}").get("engagement", {})
    return {name: action["presses"] for name, action in found.get("actions", {}).items()}


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.1)


def posted(stack: Stack, chat: Chat) -> dict[str, Any]:
    """The last press as the channel posted it to the bot."""
    for entry in reversed(request("GET", f"{stack.channel}/admin/wire")["entries"]):
        if entry["way"] == "to-bot" and entry["conversation"] == chat.id and (entry["body"] or {}).get("value"):
            return dict(entry["body"])
    raise AssertionError("no press was posted")


def test_a_press_is_acknowledged_and_shown_and_a_repeated_post_is_no_second_one(stack: Stack, presser: Chat):
    category = f"c{uuid.uuid4().hex[:12]}"
    identity, data = send_card(stack, presser, category=category)
    assert "engagement" not in stack.api("GET", f"notifications/{identity}")
    press(presser, data["view"], LINK)
    wait_for(lambda: presses(stack, identity) == {"view": 1})
    same = posted(stack, presser)
    for _ in range(2):
        request("POST", f"{stack.host}/api/messages", same)
    assert presses(stack, identity) == {"view": 1}
    press(presser, data["view"], LINK)
    press(presser, data["rate"], "noted")
    wait_for(lambda: presses(stack, identity) == {"view": 2, "rate": 1})
    shown = stack.api("GET", f"notifications/{identity}")["engagement"]
    assert shown["presses"] == 3
    assert shown["firstViewedAt"] == shown["actions"]["view"]["firstAt"] <= shown["actions"]["view"]["lastAt"]
    sums = stack.api("GET", f"engagement?category={category}")["engagement"]
    assert [(line["action"], line["presses"], line["deliveries"]) for line in sums] == [("rate", 1, 1), ("view", 2, 1)]
    assert stack.api("GET", "metrics")["scope"] == "process"


def test_a_strangers_press_is_not_counted(stack: Stack, presser: Chat):
    identity, data = send_card(stack, presser)
    stranger = Chat(stack.channel, f"dl_stranger{time.time_ns()}")
    stranger.ask("hello", "Hello")
    press(stranger, data["view"], "not for you")
    unknown = {**data["view"], "ringback": {"delivery": "notify-never-sent", "action": "view"}}
    press(presser, unknown, "not for you")
    assert presses(stack, identity) == {}


def test_a_card_that_is_dismissed_loses_its_buttons_where_the_channel_can_edit(stack: Stack):
    chat = Chat(stack.channel, f"dl_teams{time.time_ns()}", channelId="msteams")
    chat.ask("hello", "Hello")
    to = {"conversation": f"msteams:{chat.id}"}
    with pytest.raises(HttpError):
        notify(stack, chat, to=to, text="a person alone is no group")
    user = next(
        entry["body"]["from"]["id"]
        for entry in request("GET", f"{stack.channel}/admin/wire")["entries"]
        if entry["way"] == "to-bot" and entry["conversation"] == chat.id and entry["title"] == "message"
    )
    to = {"userId": f"msteams:{user}"}
    identity, data = send_card(stack, chat, to=to)
    press(chat, data["dismiss"], "Dismissed")
    bare = chat.wait(
        lambda seen: _delivery(seen).endswith(identity) and "Action.Submit" not in card_of(seen), seconds=60
    )
    assert LINK in card_of(bare)
    assert presses(stack, identity) == {"dismiss": 1}
    stack.api("DELETE", f"notifications/{identity}")
    press(chat, data["view"], "taken back")
    assert presses(stack, identity) == {"dismiss": 1}


def test_an_execute_is_answered_in_its_own_request(stack: Stack, presser: Chat):
    identity, data = send_card(stack, presser)
    press(presser, data["view"], LINK)
    action = {"type": "Action.Execute", "verb": "rate", "data": data["rate"]}
    invoke = {
        **posted(stack, presser),
        "type": "invoke",
        "name": "adaptiveCard/action",
        "id": uuid.uuid4().hex,
        "value": {"action": action, "trigger": "manual"},
    }
    for _ in range(2):
        answer = request("POST", f"{stack.host}/api/messages", invoke)
        assert (answer["statusCode"], answer["type"]) == (200, "application/vnd.microsoft.activity.message")
        assert "noted" in answer["value"]
    assert presses(stack, identity) == {"view": 1, "rate": 1}
    with pytest.raises(HttpError) as caught:
        request("POST", f"{stack.host}/api/messages", {**invoke, "name": "task/fetch"})
    assert caught.value.status == 501


def test_metrics_are_told_as_text_to_a_scraper(stack: Stack):
    asked = urllib.request.Request(f"{stack.host}/api/metrics", headers={"Accept": "text/plain;version=0.0.4"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.read().decode()
    assert "\nringback_reference_cache_hits_total " in text
    assert text.endswith("\n")


def test_a_press_is_counted_once_though_the_host_is_killed_while_it_counts(own_stack: Stack):
    own_stack.start()
    chat = Chat(own_stack.channel, "dl_presser")
    chat.ask("hello", "Hello")
    identity, data = send_card(own_stack, chat)
    press(chat, data["view"], LINK)
    first = posted(own_stack, chat)
    bodies = [{**first, "id": f"{first['id']}-{number}"} for number in range(12)]

    def post_all(host_dies: bool) -> None:
        for body in bodies:
            # The host is killed in the middle of these: what became of one is for the next round to find out.
            with suppress(OSError, HttpError) if host_dies else nullcontext():
                request("POST", f"{own_stack.host}/api/messages", body, timeout=60)

    for delay in (0.02, 0.15):
        posting = threading.Thread(target=post_all, args=(True,))
        posting.start()
        time.sleep(delay)
        own_stack.kill()
        posting.join()
        own_stack.start()
    for _ in range(2):
        post_all(False)
    assert presses(own_stack, identity) == {"view": 1 + len(bodies)}
    [line] = own_stack.api("GET", "engagement?action=view")["engagement"]
    assert (line["presses"], line["deliveries"]) == (1 + len(bodies), 1)
