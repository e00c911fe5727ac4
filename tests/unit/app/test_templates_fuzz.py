"""Whatever comes in: values stay what they are, and mistakes are RequestErrors."""

from __future__ import annotations

import contextlib
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringback.errors import RequestError
from ringback.templates import markdown
from ringback.templates.binder import bind
from ringback.templates.budget import Budget
from ringback.templates.checking import check_template
from ringback.templates.model import parse_template
from ringback.templates.rendering import Renderer
from tests.unit.app.templates_support import block, body, card, data, made

MARKUP = st.lists(
    st.sampled_from(
        [*"ab1 \n\t*_`~[]()<>#+-=.!\\|&;:/'\"ß€", "http://", "](", "**", "{{", "}}", "${", "1. ", "- ", "&lt;"]
    ),
    max_size=40,
).map("".join)
WORDS = st.sampled_from(
    ["{{", "}}", "{%", "%}", "${", "}", "(", ")", "[", "]", ".", ",", "|", "+", "*", "/", "'", '"', " ", "1", "0", "x", "\\",
     "name", "items", "title", "price", "if ", "for ", "in ", "endif ", "endfor ", "set ", "not ", "is defined ", "~", "loop",
     "first", "join", "count", "concat", "foreach", "$root", "$index", "?", ":", "==", "=", "-", "^", "%", "owner", "note"]
)  # fmt: skip
SOURCES = st.lists(WORDS, max_size=25).map("".join)


class Reader(HTMLParser):
    """What a browser would show of a paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = ""
        self.tags: list[str] = []

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append(tag)


@settings(max_examples=400, deadline=None)
@given(MARKUP)
@example("1. x")
@example("- x")
@example("a\\")
@example("&amp; &#65;")
def test_an_escaped_value_shows_as_itself(value):
    line = " ".join(markdown.clean(value).split())
    given_text = f"x {markdown.escape(line)} y"
    assert markdown.to_plain(given_text) == f"x {line} y".strip() or markdown._ADDRESS.fullmatch(line)
    reader = Reader()
    reader.feed(markdown.to_html(given_text))
    assert set(reader.tags) <= {"p", "a"}
    if "http" not in line:
        assert re.sub(r"\s+", " ", reader.shown) == f"x {line} y".replace("  ", " ")


@settings(max_examples=300, deadline=None)
@given(MARKUP)
def test_a_value_of_several_lines_makes_no_structure(value):
    reader = Reader()
    reader.feed(markdown.to_html(markdown.escape(value)))
    assert set(reader.tags) <= {"p", "a", "br"}


@settings(max_examples=300, deadline=None)
@given(MARKUP)
def test_html_never_holds_a_tag_of_others(value):
    reader = Reader()
    reader.feed(markdown.to_html(value))
    allowed = {
        "p",
        "a",
        "br",
        "ul",
        "ol",
        "li",
        "strong",
        "em",
        "s",
        "code",
        "blockquote",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    }
    assert set(reader.tags) <= allowed
    markdown.to_plain(value)


@settings(max_examples=300, deadline=None)
@given(SOURCES)
def test_any_text_is_stored_and_renders_or_is_refused(source):
    try:
        check_template(made(en="x" + source))
    except RequestError as error:
        assert error.field
        return
    Renderer(made(en="x" + source)).render(data(note="n", owner={"first": "f"}))


@settings(max_examples=300, deadline=None)
@given(SOURCES)
def test_any_card_is_stored_and_renders_or_is_refused(source):
    variant = {"chat": {"text": "x", "card": card(block("x" + source), block("y", **{"$when": "${" + source + "}"}))}}
    try:
        check_template(made(en=variant))
    except RequestError as error:
        assert error.field
        return
    Renderer(made(en=variant)).render(data(note="n", owner={"first": "f"}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "text", "chat", "en", "card", "body", "items", "$data", "$when", "version", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(JSON, st.sampled_from(["schema", "variants", "defaultLocale", "card", "property"]))
def test_any_json_in_the_place_of_a_part_is_refused_or_stored(part, place):
    given_body = body(en="x")
    if place == "card":
        given_body["variants"]["en"]["chat"]["card"] = {
            "type": "AdaptiveCard",
            "version": "1.5",
            "body": [part],
            "actions": part,
        }
    elif place == "property":
        given_body["schema"] = {"type": "object", "properties": {"x": part}}
    else:
        given_body[place] = part
    try:
        check_template(parse_template("x", json.dumps(given_body).encode()))
    except RequestError as error:
        assert error.field


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_any_data_is_bound_or_refused(template, values):
    with contextlib.suppress(RequestError):
        bind(template, values, Budget())


@pytest.mark.parametrize("bad", ["\ud800", "x\ud800y"])
def test_lone_surrogates_are_refused(bad):
    with pytest.raises(RequestError):
        parse_template("x", json.dumps(body(en=bad)).encode())
