import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.channel.chat_text import draw

ADAPTIVE = "application/vnd.microsoft.card.adaptive"


def card(**content):
    return {
        "type": "message",
        "attachments": [{"contentType": ADAPTIVE, "content": {"type": "AdaptiveCard", **content}}],
    }


def test_elements_are_lines():
    body = [
        {"type": "TextBlock", "text": "Rows\nand more"},
        {"type": "TextBlock", "text": "hidden", "isVisible": False},
        {"type": "RichTextBlock", "inlines": ["a", {"type": "TextRun", "text": "b"}]},
        {
            "type": "Container",
            "items": [{"type": "FactSet", "facts": [{"title": "n", "value": 1}, {"title": "mean", "value": 2}]}],
        },
        {
            "type": "ColumnSet",
            "columns": [
                {"items": [{"type": "TextBlock", "text": "x"}]},
                {"items": [{"type": "TextBlock", "text": "y"}]},
            ],
        },
        {
            "type": "Table",
            "rows": [
                {
                    "cells": [
                        {"items": [{"type": "TextBlock", "text": "1"}]},
                        {"items": [{"type": "TextBlock", "text": "2"}]},
                    ]
                }
            ],
        },
        {"type": "Image", "url": "u", "altText": "a chart"},
        {"type": "Input.Text", "id": "i", "label": "Name"},
    ]
    lines = draw(card(body=body)).lines
    assert lines == [
        f"│ {line}"
        for line in ("Rows", "and more", "ab", "n     1", "mean  2", "x  y", "1  2", "[image a chart]", "Name: …")
    ]


def test_buttons_are_choices():
    show = {
        "type": "Action.ShowCard",
        "card": {
            "body": [{"type": "Input.Text", "id": "why"}],
            "actions": [{"type": "Action.Submit", "title": "Send"}],
        },
    }
    actions = [
        {"type": "Action.Submit", "title": "Go", "data": {"a": 1}},
        {"type": "Action.Submit", "title": "Say", "data": "go"},
        {"type": "Action.OpenUrl", "title": "Open", "url": "http://x"},
        show,
    ]
    go, say, link, send = draw(card(actions=actions)).choices
    assert go.activity == {"value": {"a": 1}}
    assert say.activity == {"text": "go"}
    assert (link.activity, link.link) == (None, "http://x")
    assert [each["id"] for each in send.inputs] == ["why"]


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ({"type": "imBack", "title": "T", "value": "v"}, {"text": "v"}),
        ({"type": "postBack", "title": "T", "value": {"x": 1}}, {"value": {"x": 1}}),
        ({"type": "postBack", "title": "T", "value": "v"}, {"text": "v"}),
        (
            {"type": "messageBack", "title": "T", "text": "t", "value": {"x": 1}},
            {"text": "t", "value": {"x": 1}, "channelData": {"messageBack": {"displayText": "T"}}},
        ),
        ({"type": "openUrl", "title": "T", "value": "http://x"}, None),
    ],
)
def test_suggested_actions(action, sent):
    (choice,) = draw({"type": "message", "text": "?", "suggestedActions": {"actions": [action]}}).choices
    assert (choice.title, choice.activity) == ("T", sent)


def test_what_the_card_offers_is_not_offered_twice():
    shown = card(actions=[{"type": "Action.Submit", "title": "Go", "data": {}}])
    shown["suggestedActions"] = {
        "actions": [{"type": "imBack", "title": title, "value": title} for title in ("Go", "Stop")]
    }
    assert [choice.title for choice in draw(shown).choices] == ["Go", "Stop"]


def test_hero_cards_and_files():
    hero = {
        "contentType": "application/vnd.microsoft.card.hero",
        "content": {"title": "T", "text": "x", "buttons": [{"type": "imBack", "title": "B", "value": "b"}]},
    }
    file = {"contentType": "text/csv", "name": "a.csv", "contentUrl": "http://f/a.csv"}
    drawn = draw({"type": "message", "attachments": [hero, file]})
    assert drawn.lines == ["│ T", "│ x", "[a.csv] http://f/a.csv"]
    assert drawn.choices[0].activity == {"text": "b"}


def test_columns_are_as_wide_as_a_terminal_draws_them():
    facts = [{"title": title, "value": "x"} for title in ("件数", "Zeilen", "e\u0301")]
    lines = draw(card(body=[{"type": "FactSet", "facts": facts}])).lines
    assert lines == ["│ 件数    x", "│ Zeilen  x", "│ e\u0301       x"]


def test_bold_words_have_no_stars():
    text = "**Analyze file** is **done**: 2 ** 3 ** 4"
    assert draw({"type": "message", "text": text}).lines == ["Analyze file is done: 2 ** 3 ** 4"]
    assert draw({"type": "message", "text": text, "textFormat": "plain"}).lines == [text]
    assert draw(card(body=[{"type": "TextBlock", "text": "**Rows**"}])).lines == ["│ Rows"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "items", "actions", "body", "inlines", "facts", "columns", "card", "value", "title"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values, json_values, json_values)
def test_no_activity_breaks_the_terminal(content, text, suggested):
    kinds = ("TextBlock", "RichTextBlock", "FactSet", "ColumnSet", "Table", "Container")
    body = [{"type": kind, **(content if isinstance(content, dict) else {"items": content})} for kind in kinds]
    for shown in (content, {"body": body, "actions": content}):
        draw(
            {
                "type": "message",
                "text": text,
                "suggestedActions": suggested,
                "attachments": [{"contentType": ADAPTIVE, "content": shown}],
            }
        )
