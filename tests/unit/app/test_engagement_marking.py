"""The mark on buttons: on every one that posts back, wherever it sits, and on nothing else."""

from __future__ import annotations

import copy

import pytest

from ringback.delivery.content import deep_link, disarmed, from_card, marked
from ringback.engagement.marking import disarm_card, mark_card, name_of, read_mark
from ringback.templates.card_rules import check_card

SUBMIT = {"type": "Action.Submit", "title": "Go", "data": {"action": "go", "n": 1}}
EXECUTE = {"type": "Action.Execute", "title": "Go", "verb": "go"}
OPEN = {"type": "Action.OpenUrl", "title": "Open", "url": "https://shop.example/7?a=1&b=2"}
TEXT = {"type": "TextBlock", "text": "x"}
IMAGE = {"type": "Image", "url": "https://shop.example/x.png"}


def card(*body, **more):
    return {"type": "AdaptiveCard", "version": "1.5", "body": [*body], **more}


def rows(cell):
    return {"type": "Table", "columns": [{"width": 1}], "rows": [{"type": "TableRow", "cells": [cell]}]}


PLACES = {
    "top": lambda action: card(TEXT, actions=[action]),
    "beside a link": lambda action: card(TEXT, actions=[OPEN, action]),
    "action set": lambda action: card({"type": "ActionSet", "actions": [action]}),
    "set in a container": lambda action: card(
        {"type": "Container", "items": [{"type": "ActionSet", "actions": [action]}]}
    ),
    "set in a column": lambda action: card(
        {"type": "ColumnSet", "columns": [{"type": "Column", "items": [{"type": "ActionSet", "actions": [action]}]}]}
    ),
    "set in a cell": lambda action: card(
        rows({"type": "TableCell", "items": [{"type": "ActionSet", "actions": [action]}]})
    ),
    "shown card": lambda action: card(
        actions=[{"type": "Action.ShowCard", "title": "More", "card": card(actions=[action])}]
    ),
    "card shown by a shown card": lambda action: card(
        actions=[
            {
                "type": "Action.ShowCard",
                "title": "More",
                "card": card(actions=[{"type": "Action.ShowCard", "title": "More", "card": card(actions=[action])}]),
            }
        ]
    ),
    "card itself": lambda action: card(TEXT, selectAction=action),
    "container": lambda action: card({"type": "Container", "items": [TEXT], "selectAction": action}),
    "column": lambda action: card(
        {"type": "ColumnSet", "columns": [{"type": "Column", "items": [TEXT], "selectAction": action}]}
    ),
    "column set": lambda action: card({"type": "ColumnSet", "columns": [], "selectAction": action}),
    "image": lambda action: card({**IMAGE, "selectAction": action}),
    "image of a set": lambda action: card({"type": "ImageSet", "images": [{**IMAGE, "selectAction": action}]}),
    "cell": lambda action: card(rows({"type": "TableCell", "items": [TEXT], "selectAction": action})),
    "run of text": lambda action: card(
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "x", "selectAction": action}]}
    ),
    "input": lambda action: card({"type": "Input.Text", "id": "t", "inlineAction": action}),
    "fallback of an element": lambda action: card({**TEXT, "fallback": {"type": "ActionSet", "actions": [action]}}),
    "fallback of an action": lambda action: card(actions=[{**OPEN, "fallback": action}]),
}


def actions_of(node):
    """Every posting action of a card."""
    found = []
    if isinstance(node, dict):
        if node.get("type") in {"Action.Submit", "Action.Execute"}:
            return [node]
        found = [action for item in node.values() for action in actions_of(item)]
    elif isinstance(node, list):
        found = [action for item in node for action in actions_of(item)]
    return found


@pytest.mark.parametrize("action", [SUBMIT, EXECUTE], ids=["submit", "execute"])
@pytest.mark.parametrize("place", PLACES)
def test_every_button_carries_its_delivery(place, action):
    given = PLACES[place](action)
    before = copy.deepcopy(given)
    check_card(given, "card")
    shown = mark_card(given, "notify-7")
    [button] = actions_of(shown)
    assert button["data"] == {**action.get("data", {}), "ringback": {"delivery": "notify-7", "action": "go"}}
    assert {**button, "data": None} == {**action, "data": None}
    assert given == before
    check_card(shown, "card")
    mark, data = read_mark(button["data"])
    assert (mark.delivery, mark.action, data) == ("notify-7", "go", action.get("data", {}))


@pytest.mark.parametrize("place", PLACES)
def test_a_card_without_its_buttons_is_still_a_card(place):
    bare = disarm_card(PLACES[place](SUBMIT))
    assert actions_of(bare) == []
    check_card(bare, "card")


def test_links_and_toggles_are_carried_through_as_they_are():
    toggle = {"type": "Action.ToggleVisibility", "title": "More", "targetElements": ["t"]}
    given = card({**TEXT, "id": "t", "selectAction": OPEN}, actions=[OPEN, toggle])
    assert mark_card(given, "d") == disarm_card(given) == given


def test_what_only_looks_like_a_button_is_left_alone():
    refresh = {"action": {"type": "Action.Execute", "verb": "refresh"}, "userIds": []}
    submit = {"type": "Action.Submit", "title": "Go", "data": {"action": "go", "card": card(actions=[SUBMIT])}}
    shown = mark_card(card(refresh=refresh, actions=[submit]), "d")
    assert shown["refresh"] == refresh
    assert shown["actions"][0]["data"]["card"] == card(actions=[SUBMIT])


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ({"data": {"action": "view"}, "verb": "v", "id": "i"}, "view"),
        ({"data": {"action": 7}, "verb": "v", "id": "i"}, "v"),
        ({"data": "settings", "id": "i"}, "i"),
        ({}, "submit"),
        ({"data": {"action": "a\n" + "b" * 100}}, "a" + "b" * 63),
    ],
)
def test_a_button_is_called_by_the_first_name_it_has(action, name):
    assert name_of(action) == name


def test_data_that_is_a_text_is_still_said():
    [button] = mark_card(card(actions=[{"type": "Action.Submit", "title": "x", "data": "stop orders"}]), "d")["actions"]
    mark, rest = read_mark(button["data"])
    assert (mark.says, rest) == ("stop orders", {})


def test_what_teams_hands_back_in_the_place_of_the_data_is_marked_too():
    teams = {"type": "messageBack", "text": "go", "value": {"n": 1}}
    [button] = mark_card(card(actions=[{**SUBMIT, "data": {"msteams": teams}}]), "d")["actions"]
    assert read_mark(button["data"]["msteams"]["value"])[0].delivery == "d"
    assert button["data"]["msteams"]["text"] == "go"


@pytest.mark.parametrize("value", [None, "x", {}, {"ringback": "x"}, {"ringback": {"delivery": 7, "action": "x"}}, []])
def test_what_has_no_mark_is_not_ours(value):
    assert read_mark(value) is None


def test_a_link_of_the_author_is_not_the_one_that_was_asked_for():
    authored = card(TEXT, actions=[SUBMIT, OPEN])
    assert deep_link(from_card(authored, "Parcel", None)) is None
    assert deep_link(from_card(authored, "Parcel", "https://shop.example/8")) == "https://shop.example/8"
    assert deep_link({"text": "https://shop.example/7"}) is None


def test_a_message_is_marked_whole_and_can_be_disarmed():
    content = from_card(card(TEXT, actions=[SUBMIT]), "Parcel", "https://shop.example/7")
    message = marked(content, "d")
    assert message["channelData"] == {"deliveryId": "d"}
    shown = message["attachments"][0]["content"]["actions"]
    assert [read_mark(action.get("data")) is not None for action in shown] == [True, False]
    assert shown[1]["url"] == deep_link(content) == "https://shop.example/7"
    assert disarmed(content, "d")["attachments"][0]["content"]["actions"] == [shown[1]]
    other = {"contentType": "image/png", "contentUrl": "https://shop.example/x.png"}
    assert marked({"text": "x", "attachments": [other]}, "d")["attachments"] == [other]
