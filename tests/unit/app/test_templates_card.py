"""Cards: bound to data, checked against the schema of it, held to Adaptive Cards 1.5, and told in plain text."""

from __future__ import annotations

import time

import pytest

from ringback.channels import message_size
from ringback.errors import RequestError, TooLargeError
from ringback.templates.binder import bind
from ringback.templates.budget import Budget
from ringback.templates.card_rules import check_card
from ringback.templates.markdown import to_html, to_plain
from ringback.templates.outline import outline
from ringback.templates.rendering import Renderer
from tests.unit.app.templates_support import block, card, checked, data, made, renderer

DATA = {
    "a": 1,
    "b": "x",
    "n": None,
    "list": [1, 2, 3],
    "people": [{"name": "Ann", "tags": ["p"]}, {"name": "Bob", "tags": []}],
}


def bound(template, values=DATA):
    return bind(template, values, Budget(), escaping=False)


def card_variant(*elements, **more):
    return {"chat": {"card": card(*elements, **more)}}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${a}", 1),
        ("${list}", [1, 2, 3]),
        ("n: ${a}", "n: 1"),
        ("${a}${b}", "1x"),
        ("\\${a}", "${a}"),
        ("no binding $a {b}", "no binding $a {b}"),
        ("${'}'}", "}"),
        ({"x": "${n}", "y": 1}, {"y": 1}),
        ({"x": None}, {"x": None}),
        ([{"$data": "${people}", "t": "${name} ${$index} ${$root.a}"}], [{"t": "Ann 0 1"}, {"t": "Bob 1 1"}]),
        ([{"$data": "${people}", "$when": "${count(tags) > 0}", "t": "${name}"}], [{"t": "Ann"}]),
        ([{"$data": "${list}", "t": "${$data}"}], [{"t": 1}, {"t": 2}, {"t": 3}]),
        ([{"$data": [], "t": "x"}], []),
        ([{"$data": {"q": 7}, "t": "${q}"}], [{"t": 7}]),
        ([{"$when": "${a == 2}", "t": 1}, {"$when": "${a == 1}", "t": 2}], [{"t": 2}]),
        ([{"$when": "${exists(zz)}", "t": 1}], []),
        (["${list}", 4], [1, 2, 3, 4]),
        (
            {"p": [{"$data": "${people}", "q": [{"$data": "${tags}", "z": "${$data}"}]}]},
            {"p": [{"q": [{"z": "p"}]}, {"q": []}]},
        ),
    ],
)
def test_binding(template, expected):
    assert bound(template) == expected


@pytest.mark.parametrize(
    ("element", "place", "says"),
    [
        (block("${nam}"), "body.0.text", "'nam' is not declared"),
        (block("Hi ${owner.last}"), "body.0.text", "declared there: first"),
        (block("${title}", **{"$data": "${items}", "$when": "${prize > 1}"}), "body.0.$when", "'prize'"),
        (block("${prize}", **{"$data": "${items}"}), "body.0.text", "'prize'"),
        (block("${x}", **{"$data": "${itemz}"}), "body.0.$data", "'itemz'"),
        (block("${join(foreach(items, i, i.prize), ',')}"), "body.0.text", "'prize'"),
        (block("${$root.nam}"), "body.0.text", "'nam'"),
        (block("${$host.x}"), "body.0.text", "not available"),
        (block("${first(items).prize}"), "body.0.text", "'prize'"),
        (block("${name"), "body.0.text", "no closing brace"),
        (block("${name +}"), "body.0.text", "malformed"),
        (block("${}"), "body.0.text", "malformed"),
        (block("${utcNow()}"), "body.0.text", "no function 'utcNow'"),
        (block("${toUpper()}"), "body.0.text", "takes 1 to 1 arguments"),
        (block("${note}"), "body.0.text", "is missing"),
        (block("${name}: ${owner.first}"), "body.0.text", "is missing"),
        (block("${items}"), "body.0.text", "a string"),
        (block("x", **{"$when": "true"}), "body.0.$when", "is an expression"),
        (block("${formatDateTime(name)}"), "body.0.text", "no ISO 8601 time"),
        (block("${name * 2}"), "body.0.text", "for numbers"),
        (block("${" + "(" * 100 + "1" + ")" * 100 + "}"), "body.0.text", "nested too deeply"),
        (block("${" + "-" * 1500 + "1}"), "body.0.text", "malformed"),
        (block("x", **{"$x": 1}), "body.0.$x", "not available"),
        ({"type": "Textblock", "text": "x"}, "body.0.type", "no element"),
        ({"type": "TextBlock"}, "body.0.text", "needs text"),
        ({"text": "x"}, "body.0.type", "no element"),
        ({"type": "Image", "url": "javascript:alert(1)"}, "body.0.url", "https address"),
        ({"type": "Container"}, "body.0.items", "needs items"),
        ({"type": "FactSet", "facts": [{"title": "x"}]}, "body.0.facts.0.value", "needs value"),
        ({"type": "Input.Text"}, "body.0.id", "needs id"),
        (block("x", color="pink"), "body.0.color", "one of default"),
        (block("x", wrap="yes"), "body.0.wrap", "true or false"),
        ({"type": "ColumnSet", "columns": [block("x")]}, "body.0.columns.0", "of type Column"),
        ({"type": "ActionSet", "actions": [{"type": "Action.Http"}]}, "body.0.actions.0.type", "no action"),
        (
            {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "url": "file:///x", "title": "x"}]},
            "body.0.actions.0.url",
            "address of http",
        ),
    ],
)
def test_what_is_wrong_with_a_card_is_told_when_it_is_stored(element, place, says):
    with pytest.raises(RequestError, match=says.replace("(", r"\(")) as caught:
        checked(en=card_variant(element))
    assert caught.value.field == f"variants.en.chat.card.{place}"


@pytest.mark.parametrize(
    ("whole", "place"),
    [
        ({"type": "AdaptiveCard", "body": []}, ".version"),
        ({"type": "AdaptiveCard", "version": "1.6"}, ".version"),
        ({"version": "1.5"}, ""),
        ({"type": "AdaptiveCard", "version": "1.2", "body": [{"type": "Table"}]}, ".body.0.type"),
        ({"type": "AdaptiveCard", "version": "1.5", "body": {}}, ".body"),
        (card({"type": "Input.Text", "id": "a"}, {"type": "Input.Text", "id": "a"}), ".body.1.id"),
        ({**card(), "$when": "${count > 5}"}, ""),
    ],
)
def test_what_is_wrong_with_the_whole_card(whole, place):
    with pytest.raises(RequestError) as caught:
        checked(en={"chat": {"card": whole}})
    assert caught.value.field.startswith("variants.en.chat.card" + place)


def test_doubts_are_warnings():
    doubtful = card(block("x", colour="red"), actions=[{"type": "Action.Submit"}] * 7)
    warnings = checked(en={"chat": {"card": doubtful}}).warnings
    assert any("colour: no such property" in warning for warning in warnings)
    assert any("Teams shows 6 actions" in warning for warning in warnings)
    assert any("no title" in warning for warning in warnings)
    toggle = {"type": "Action.ToggleVisibility", "title": "x", "targetElements": ["nowhere"]}
    assert any("'nowhere'" in warning for warning in check_card(card(block("x"), actions=[toggle]), "card"))


def test_values_stay_text_where_cards_read_markdown():
    facts = {"type": "FactSet", "facts": [{"title": "t", "value": "${name}"}]}
    title = {"type": "ActionSet", "actions": [{"type": "Action.Submit", "title": "${name}"}]}
    template = renderer(en=card_variant(block("**Hi** ${name}"), facts, title))
    body = template.render(data(name="*a* [x](http://y)")).card["body"]
    assert body[0]["text"] == "**Hi** \\*a\\* \\[x\\](http://y)"
    assert body[1]["facts"][0]["value"] == "\\*a\\* \\[x\\](http://y)"
    assert body[2]["actions"][0]["title"] == "*a* [x](http://y)"


def test_a_link_out_of_data_is_checked_when_it_is_sent():
    action = {"type": "Action.OpenUrl", "title": "x", "url": "${url}", "$when": "${exists(url)}"}
    template = renderer(en=card_variant(block("x"), actions=[action]))
    assert template.render(data(url="https://example.org")).card["actions"][0]["url"] == "https://example.org"
    assert template.render(data()).card["actions"] == []
    with pytest.raises(RequestError, match="address of http"):
        template.render(data(url="javascript:alert(1)"))


def test_a_card_past_its_size_is_refused():
    template = renderer(en=card_variant(block("${title}", **{"$data": "${items}"})))
    with pytest.raises(TooLargeError, match=f"over {message_size.LARGEST}") as caught:
        template.render(data(items=[{"title": "x" * 100, "price": 1}] * 330))
    assert caught.value.field == "variants.en.chat.card"


def test_repetitions_and_functions_end():
    nested = block("x")
    for _ in range(6):
        nested = {"type": "Container", "$data": "${$root.items}", "items": [nested]}
    many = data(items=[{"title": "x", "price": 1}] * 500)
    started = time.monotonic()
    with pytest.raises(TooLargeError):
        Renderer(made(en=card_variant(nested))).render(many)
    loops = "foreach(items, a, count(foreach(items, b, count(foreach(items, c, 1)))))"
    with pytest.raises(TooLargeError):
        Renderer(made(en=card_variant(block(f"${{count({loops})}}")))).render(many)
    doubling = "concat(name, name, name, name)"
    for _ in range(8):
        doubling = f"replace({doubling}, 'A', {doubling})" if len(doubling) < 700 else doubling
    with pytest.raises(TooLargeError):
        Renderer(made(en=card_variant(block(f"${{{doubling}}}")))).render(data(name="A" * 20_000))
    with pytest.raises(RequestError):
        bound("${9^9^9^9}")
    assert time.monotonic() - started < 30


def test_a_card_is_told_in_plain_text_and_html():
    whole = card(
        block("Order **7**", size="Large"),
        block("Hello\\_you, see [this](https://e.org/x_y)", wrap=True),
        block("hidden", isVisible=False),
        {"type": "FactSet", "facts": [{"title": "Total", "value": "5 €"}, {"title": "A\\*", "value": "b"}]},
        {"type": "ColumnSet", "columns": [{"items": [block("left")]}, {"type": "Column", "items": [block("right")]}]},
        {"type": "Image", "url": "https://e.org/i.png", "altText": "a * picture"},
        {"type": "RichTextBlock", "inlines": ["rich ", {"type": "TextRun", "text": "*text*"}]},
        {"type": "Table", "rows": [{"cells": [{"items": [block("1")]}, {"items": [block("2")]}]}]},
        block("Due {{DATE(2026-03-01T10:00:00Z, SHORT)}} {{TIME(2026-03-01T10:00:00Z)}}"),
        actions=[
            {"type": "Action.OpenUrl", "title": "Open_it", "url": "https://e.org/(a)"},
            {"type": "Action.Submit", "title": "Posts back"},
        ],
    )
    written = outline(whole, "de")
    assert to_plain(written).split("\n\n") == [
        "Order 7",
        "Hello_you, see this (https://e.org/x_y)",
        "- Total: 5 €\n- A*: b",
        "left",
        "right",
        "a * picture",
        "rich *text*",
        "1 | 2",
        "Due 01.03.2026 10:00",
        "Open_it (https://e.org/%28a%29)",
    ]
    page = to_html(written)
    assert "<h2>Order <strong>7</strong></h2>" in page
    assert '<a href="https://e.org/x_y">this</a>' in page
    assert "<li><strong>Total</strong>: 5 €</li>" in page


def test_html_holds_only_our_tags_and_safe_addresses():
    page = to_html('<script>x</script> [a](javascript:alert) [b](https://e.org/"onclick=x) https://e.org/?a=1&b=2.')
    assert "<script" not in page
    assert "javascript:" not in page
    assert page == (
        "<p>&lt;script&gt;x&lt;/script&gt; a "
        '<a href="https://e.org/&quot;onclick=x">b</a> '
        '<a href="https://e.org/?a=1&amp;b=2">https://e.org/?a=1&amp;b=2</a>.</p>'
    )


def test_markdown_that_is_built_to_be_slow_is_not():
    started = time.monotonic()
    for hostile in (
        "*a " * 20_000,
        "[" * 40_000,
        "**" * 30_000,
        "_x*" * 20_000,
        "`" * 50_000,
        "[a](" * 15_000,
        "~~x " * 15_000,
        "**x*y" * 12_000,
    ):
        to_plain(hostile)
        to_html(hostile)
    assert time.monotonic() - started < 30


def unfolding(depth):
    """An expression of a list that holds twenty times what the one before holds, and little memory."""
    expression = f"a{depth}"
    for number in range(depth, 0, -1):
        inner = ",".join(["1" if number == 1 else f"a{number - 1}"] * 20)
        expression = f"foreach(createArray(createArray({inner})), a{number}, {expression})"
    return expression


@pytest.mark.parametrize(
    "made_of", [unfolding(4), "foreach(items, x, items)", "foreach(items, x, concat(items, items))"]
)
def test_lists_that_unfold_without_end_are_refused(made_of):
    many = data(items=[{"title": "x", "price": 1}] * 200)
    for variant in (
        card_variant(block("x", isVisible=f"${{equals({made_of}, {made_of})}}")),
        card_variant(actions=[{"type": "Action.Submit", "title": "x", "data": {"x": f"${{{made_of}}}"}}]),
        card_variant(block(f"${{count(string({made_of}))}}")),
    ):
        with pytest.raises(TooLargeError, match="steps"):
            renderer(en=variant).render(many)


@pytest.mark.parametrize(
    "element",
    [
        block("${$root.name}", **{"$data": "${items}"}),
        block("x" * 1000, **{"$data": "${items}"}),
        block("x", **{"$data": "${items}", "x" * 1000: True}),
        {"type": "ActionSet", "$data": "${items}", "actions": [{"type": "Action.Submit", "data": "${$root.items}"}]},
    ],
)
def test_a_card_that_grows_past_a_message_ends_while_it_is_bound(element):
    many = data(name="x" * 1000, items=[{"title": "x", "price": 1}] * 300)
    with pytest.raises(TooLargeError, match="grown over"):
        bind(card(element), many, Budget())


def test_a_long_list_goes_into_a_card_as_data():
    many = data(items=[{"title": f"{number}", "price": number} for number in range(900)])
    submit = {"type": "Action.Submit", "title": "x", "data": {"all": "${items}", "last": "${foreach(items, x, x)}"}}
    bound_card = bind(card(actions=[submit]), many, Budget())
    assert bound_card["actions"][0]["data"] == {"all": many["items"], "last": many["items"]}
    first, second = "string(foreach(items, x, x.title))", "count(concat(items, items))"
    assert (
        bound(f"${{length({first})}} ${{{second}}}", many)
        == f"{len(str([d['title'] for d in many['items']])) - 899} 1800"
    )


def opening(name):
    return {"type": "Action.OpenUrl", "title": name, "url": f"https://shop.example/{name}"}


def cells(*given):
    return {"type": "Table", "rows": [{"type": "TableRow", "cells": [{"type": "TableCell", **cell} for cell in given]}]}


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (card(block("x"), selectAction=opening("a")), "x\n\na (https://shop.example/a)"),
        (
            card(
                {
                    "type": "RichTextBlock",
                    "inlines": ["x", {"type": "TextRun", "text": "y", "selectAction": opening("a")}],
                }
            ),
            "xy\n\na (https://shop.example/a)",
        ),
        (
            card(cells({"items": [block("x")], "selectAction": opening("a")}, {"items": [block("y")]})),
            "x | y\n\na (https://shop.example/a)",
        ),
        (
            card(
                actions=[{"type": "Action.ShowCard", "title": "More", "card": card(block("x"), actions=[opening("a")])}]
            ),
            "x\n\na (https://shop.example/a)",
        ),
        (card({"type": "Input.Text", "id": "i", "inlineAction": opening("a")}), "a (https://shop.example/a)"),
        (
            card(
                {
                    "type": "Media",
                    "altText": "A film",
                    "sources": [{"mimeType": "video/mp4", "url": "https://x.example/f"}],
                }
            ),
            "A film (https://x.example/f)",
        ),
        (card({"type": "Media", "altText": "A film", "sources": [{"mimeType": "x", "url": "file:///f"}]}), "A film"),
    ],
)
def test_no_address_is_lost_in_plain_text(told, text):
    check_card(told, "card")
    assert to_plain(outline(told, "en")) == text


@pytest.mark.parametrize("rows", [None, [], [{"type": "TableRow", "cells": None}]])
def test_a_table_without_cells_says_nothing(rows):
    told = card({"type": "Table", "rows": rows}, block("x"))
    check_card(told, "card")
    assert outline(told, "en") == "x"


@pytest.mark.parametrize("fallback", ["x", True, 1.5, [None], {}, {"type": 1}, {"type": "Action.OpenUrl"}])
def test_a_fallback_that_is_none_is_named(fallback):
    with pytest.raises(RequestError) as caught:
        check_card(card(block("x", fallback=fallback)), "card")
    assert caught.value.field.startswith("card.body.0.fallback")


def test_a_column_in_a_fallback_is_checked():
    unsafe = {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "url": "javascript:alert(1)"}]}
    columns = [{"type": "Column", "fallback": {"type": "Column", "items": [unsafe]}}]
    with pytest.raises(RequestError) as caught:
        check_card(card({"type": "ColumnSet", "columns": columns}), "card")
    assert caught.value.field == "card.body.0.columns.0.fallback.items.0.actions.0.url"


def test_a_value_turns_the_writing_of_nothing_beside_it_in_a_button():
    variant = card_variant(block("x"), actions=[{"type": "Action.Submit", "title": "Pay ${name} now"}])
    (action,) = renderer(en=variant).render(data(name="\u202eAnn")).card["actions"]
    assert action["title"] == "Pay \u202eAnn\u202c now"
