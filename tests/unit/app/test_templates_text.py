"""Texts: what they may say is decided when they are stored, and rendering them is bounded."""

from __future__ import annotations

import time

import pytest

from ringback.errors import RequestError, TooLargeError
from ringback.templates import budget, markdown
from ringback.templates.rendering import Renderer
from ringback.templates.text import Text
from tests.unit.app.templates_support import checked, data, made, renderer


def text(source: str, locale: str = "en", channel: str = "chat", **more) -> str:
    checked(en=source)
    return renderer(en=source).render(data(**more), locale, channel).text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ nam }}", "'nam' is not declared in the schema"),
        ("{{ owner.last }}", "declared there: first"),
        ("{{ items[0].prize }}", "'prize' is not declared"),
        ("{% for item in items %}{{ item.prize }}{% endfor %}", "'prize' is not declared"),
        ("{{ items|map(attribute='prize')|join }}", "'prize' is not declared"),
        ("{{ items|selectattr('prize')|list|length }}", "'prize' is not declared"),
        ("{{ (items|first).prize }}", "'prize' is not declared"),
        ("{{ items|sum('prize') }}", "'prize' is not declared"),
        ("{% if nam is defined %}x{% endif %}y", "'nam' is not declared"),
        ("{% set x = owner %}{{ x.last }}", "'last' is not declared"),
        ("{{ name.first }}", "nothing is declared there"),
        ("{{ owner[name] }}", "cannot be checked"),
        ("{{ items|map(attribute=name)|join }}", "has to be written out"),
        ("{% if name %}{% set x = 1 %}{% endif %}{{ x }}", "'x' is not declared"),
        ("{{ note }}", "is undefined: make it required"),
        ("{{ name }} {{ owner.first }}", "undefined"),
        ("{% if note %}x{% endif %}y", "undefined"),
        ("{{ total / (count|default(1)) }}", "undefined"),
        ("{{ 1 / (count|default(1)) }}", "division by zero"),
        ("{{ name", "unexpected end"),
        ("{% if name %}x", "Unexpected end"),
        ("{% fro x in items %}{% endfor %}", "unknown tag"),
        ("{{ name|nothing }}", "No filter named"),
        ("{{ items }}", "A list cannot be written"),
        ("{{ name|money('EUR') }}", "no number"),
        ("{{ name|date }}", "Invalid isoformat"),
        ("{{ items[7].title }}", "has no element 7"),
    ],
)
def test_what_could_fail_when_sent_fails_when_stored(source, says):
    with pytest.raises(RequestError, match="(?s)" + says.replace("(", r"\(").replace("[", r"\[")) as caught:
        checked(en=source)
    assert caught.value.field == "variants.en.chat.text"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__class__ }}",
        "{{ items.append(1) }}",
        "{{ name|attr('__class__') }}",
        "{{ name['__class__'] }}",
        "{{ self.__init__ }}",
        "{{ range(10) }}",
        "{{ lipsum() }}",
        "{{ cycler(1) }}",
        "{{ namespace() }}",
        "{{ _budget }}",
        "{{ _locale }}",
        "{{ name|_kept }}",
        "{{ items|map('_kept')|list }}",
        "{{ items|map(attribute='__class__')|join }}",
        "{{ items|map(attribute='title.__class__')|join }}",
        "{{ items|sort(attribute='__class__')|length }}",
        "{{ items|selectattr('title', '_kept')|list|length }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m(n) %}{{ m(n) }}{% endmacro %}x",
        "{% call name() %}{% endcall %}",
        "{% block b %}{% endblock %}x",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}{{ name }}{% endset %}{{ x }}",
        "{% for item in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% autoescape false %}x{% endautoescape %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ name * 99999999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ name|center(99999999) }}",
        "{{ name|format(1) }}",
        "{{ name|safe }}",
        "{{ name|pprint }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "1+" * 5000 + "1 }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{% if 1 %}" * 500 + "x" + "{% endif %}" * 500,
    ],
)
def test_nothing_but_data_can_be_reached(source):
    started = time.monotonic()
    with pytest.raises(RequestError) as caught:
        checked(en=source)
    assert caught.value.field == "variants.en.chat.text"
    assert time.monotonic() - started < 30


def test_loops_over_loops_end():
    deep = "{% for a in items %}" * 12 + "{% endfor %}" * 12 + "done"
    many = data(items=[{"title": "x", "price": 1}] * 1000)
    started = time.monotonic()
    with pytest.raises(TooLargeError, match="steps") as caught:
        Renderer(made(en=deep)).render(many)
    assert caught.value.field == "variants.en.chat.text"
    assert time.monotonic() - started < 20


def test_a_variable_that_doubles_ends():
    doubling = "{% set a = name %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}"
    with pytest.raises(TooLargeError, match="over 81920 characters"):
        Renderer(made(en=doubling)).render(data())
    squaring = "{% set a = items|length %}" + "{% set a = a * a %}" * 60 + "{{ a }}"
    with pytest.raises(TooLargeError, match="256 bits"):
        Renderer(made(en=squaring)).render(data())
    growing = "{% set a = name %}" + "{% set a = a|replace('n', 'nnnnnnnnnn') %}" * 60 + "{{ a }}"
    with pytest.raises(TooLargeError):
        Renderer(made(en=growing)).render(data())
    joined = "{{ items|map(attribute='title')|join(name) }}"
    with pytest.raises(TooLargeError):
        Renderer(made(en=joined)).render(data(name="x" * 50_000))


def test_a_text_that_grows_past_a_message_is_refused():
    with pytest.raises(TooLargeError):
        Renderer(made(en="{% for i in items %}{{ name }}{% endfor %}")).render(
            data(name="x" * 10_000, items=[{"title": "", "price": 1}] * 50)
        )


def test_values_stay_text_in_markdown():
    hostile = "*bold* [click](http://evil) <at>all</at> `x` ~~y~~ a_b \\"
    given = text("Hi {{ name }}", name=hostile)
    assert given == "Hi \\*bold\\* \\[click\\](http://evil) \\<at\\>all\\</at\\> \\`x\\` \\~\\~y\\~\\~ a\\_b \\\\"
    assert Renderer(made(en="Hi {{ name }}")).render(data(name=hostile), channel="sms").text == f"Hi {hostile}"


def test_a_value_starts_no_list_and_no_heading():
    assert (
        Renderer(made(en="{{ name }}")).render(data(name="# 1\n- 2\n3. x\n> y")).text == "\\# 1\n\\- 2\n3\\. x\n\\> y"
    )
    assert Renderer(made(en="{{ name }}")).render(data(name="-5 and 3.5")).text == "-5 and 3.5"


def test_a_text_that_may_come_out_empty_is_refused_when_stored():
    with pytest.raises(RequestError, match="comes out empty"):
        checked(en="{{ name }}")


def test_links_are_built_safely():
    source = "{% if url is defined %}{{ url|link(name) }} {{ url }}{% endif %}x"
    url = "https://e.org/a_(b)?x=[1]"
    assert text(source, url=url, name="a]b") == (
        "[a\\]b](https://e.org/a_%28b%29?x=%5B1%5D) https://e.org/a_%28b%29?x=%5B1%5Dx"
    )
    with pytest.raises(RequestError, match="no address to link to"):
        Renderer(made(en=source)).render(data(url="javascript:alert(1)"))


def test_keys_win_over_methods_of_dicts():
    assert text("{{ items|length }} {{ items|map(attribute='title')|join(', ') }}") == "2 Tea, Cup"


def test_loops_and_arithmetic_work():
    source = (
        "{% for i in items if i.price > 1 %}{{ loop.index }}/{{ loop.length }} {{ i.title }}"
        "{{ ', ' if not loop.last else '' }}{% else %}none{% endfor %}; {{ items|sum(attribute='price') + 1 }}"
        "{% set n = items|length %} {{ n * 2 }} {{ name ~ n }} {{ name[:2] }}"
    )
    assert text(source) == "1/2 Tea, 2/2 Cup; 13.5 4 Ann2 An"


def test_numbers_money_and_times_follow_the_locale():
    source = "{{ (items|first).price|money('EUR') if items else '' }} {{ 1234567.891|number(2) }} {{ '2026-07-01T10:00:00Z'|datetime('Europe/Berlin') }} {{ '2026-07-01'|date }}"
    assert text(source) == "€2.50 1,234,567.89 1 Jul 2026, 12:00 CEST 1 Jul 2026"
    german = Renderer(made(en="x", de=source)).render(data(), "de-CH").text
    assert german == "2,50\u00a0€ 1.234.567,89 01.07.2026, 12:00 CEST 01.07.2026"
    french = Renderer(made(en="x", fr=source)).render(data(), "fr").text
    assert french == "2.50\u00a0€ 1\u00a0234\u00a0567.89 2026-07-01, 12:00 CEST 2026-07-01"


def test_optional_data_has_defaults_and_guards():
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "dd"}, "b": {"type": "string"}}}
    source = "{{ a }}{% if b is defined %} {{ b }}{% endif %} {{ b|default('-') }}"
    checked(schema, en=source)
    assert renderer(schema, en=source).render({}).text == "dd -"
    assert renderer(schema, en=source).render({"b": "x"}).text == "dd x x"


DOUBLED = "{% set a = [1] %}{% set b = [1] %}" + "{% set a = [a, a] %}{% set b = [b, b] %}" * 16
CHARACTERS = "{% set a = '" + "a" * 8_000 + "'|list %}"
LETTERS = "{% set a = '" + "a" * 8_000 + "' %}{% set a = (a ~ a ~ a ~ a)|list %}"


@pytest.mark.parametrize(
    "text",
    [
        # Compared, they take two to the sixteenth steps; with some more lines of the same, for ever.
        DOUBLED + "{{ a == b }}",
        DOUBLED + "{{ [a, b]|max|length }}",
        DOUBLED.replace("[a, a]", "{'x': a, 'y': a}") + "{{ a == b }}",
        DOUBLED.replace("[a, a]", "(a, a)") + "{{ a == b }}",
        # One item after the other through a filter that takes long with each.
        LETTERS + "{{ a|map('upper')|map('lower')|map('upper')|list|length }}" * 3,
        # A list of lists of characters.
        CHARACTERS + "{{ [" + "a|join, " * 50 + "]|map('list')|map('length')|sum }}",
    ],
)
def test_lists_that_unfold_without_end_are_refused(text):
    with pytest.raises(TooLargeError, match="steps"):
        checked(en=text)


def test_lists_are_not_summed_and_numbers_not_rounded_without_end():
    with pytest.raises(RequestError, match="sum is for numbers"):
        checked(en="{{ [[1], [2]]|sum(start=[])|length }}")
    for text in ("{{ 1.5|round(5000, 'ceil') }}", "{{ [1.5]|map('round', -5000, 'floor')|first }}"):
        with pytest.raises(RequestError, match="up to 15 decimals"):
            checked(en=text)


def test_time_is_looked_at_in_every_turn(monkeypatch):
    text = Text("{% for item in items %}{% set x = item %}{% endfor %}{{ items|map('length')|sum }}", "plain", "text")
    text.render(data(), "en", budget.Budget())
    clock = iter([0.0, *[0.1] * 4])
    monkeypatch.setattr(budget.time, "thread_time", lambda: next(clock, 9.0))
    with pytest.raises(TooLargeError, match="s of computing"):
        text.render(data(items=[{"title": "x", "price": 1}] * 5), "en", budget.Budget())


def test_lists_of_ordinary_size_go_through_filters():
    shown = (
        "{{ items|map(attribute='title')|sort|unique|list|join(', ') }} {{ items|sum(attribute='price')|round(1) }} "
        "{{ items|selectattr('price', 'gt', 1)|map(attribute='title')|reverse|first }} {{ (3, 4)|max }} "
        "{{ [1, 2]|sum(start=3) }} {{ {'a': 1}|items|list|length }} {{ 2.5|round(method='floor') }} {{ 'abc'|reverse }}"
    )
    many = [{"title": f"t{number % 3}", "price": number} for number in range(900)]
    assert renderer(en=shown).render(data(items=many)).text == "t0, t1, t2 404550 t2 4 6 1 2 cba"


def page(html, **values):
    written = {"chat": {"text": "x"}, "email": {"text": "x", "html": html}}
    checked(en=written)
    return renderer(en=written).render(data(**values), channel="email").html


def test_an_optional_part_in_the_place_of_an_empty_list_needs_a_guard():
    with pytest.raises(RequestError, match="'note' is undefined"):
        checked(en="a{{ 'some' if items else note }}")
    checked(en="a{{ 'some' if items else note|default('none') }}")


@pytest.mark.parametrize(
    "html",
    [
        "<a href={{ name }}>x</a>",
        "<a href={% if note is defined %}x{{ name }}{% endif %}>x</a>",
        "<a title = x{{ name }}>x</a>",
        "<p {{ name }}>x</p>",
        "<p x{{ name }}='y'>x</p>",
        "<h{{ count|default(1) }}>x</h1>",
        "<a onclick='go({{ name }})'>x</a>",
        "<script>{{ name }}</script>",
        "<style>{% for item in items %}{{ item.title }}{% endfor %}</style>",
        "<p>Reply to <{{ name }}></p>",
        "<iframe srcdoc='{{ name }}'></iframe>",
        "<script src='x'/>{{ name }}",
        "<style/>{{ name }}",
        "<!--[if mso]><td width={{ name }}><![endif]-->",
        "<p>a<![x]>b</p>",
    ],
)
def test_html_takes_values_only_where_escaping_holds(html):
    with pytest.raises(RequestError) as caught:
        page(f"<p>x</p>{html}")
    assert caught.value.field == "variants.en.email.html"


def test_html_keeps_values_in_text_and_in_quotes():
    html = (
        "<!-- {{ name }} --><style>p { color: red }</style><p title=\"{{ name }}\" {% if note is defined %}id='{{ note }}'"
        "{% endif %} style='width: {{ 10 * 5 }}%'>{{ name }} &lt; {% for item in items %}{{ item.title }}{% endfor %}</p>"
    )
    shown = page(html, name="x' onclick=go() y=\"--></p><script>", items=[])
    assert "<script>" not in shown
    assert 'title="x&#39; onclick=go() y=&#34;--&gt;&lt;/p&gt;&lt;script&gt;"' in shown


@pytest.mark.parametrize("address", ["java\tscript:go()", "java\nscript:go()", " \n j\ta\nvascript:go()", "da\tta:x"])
def test_html_links_to_no_script_that_a_browser_would_read(address):
    with pytest.raises(RequestError, match="links to a script"):
        page('<a href="{{ name }}">x</a>', name=address)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\u202egnp", "\u202egnp\u202c"),
        ("\u2067\u202ax", "\u2067\u202ax\u202c\u2069"),
        ("a\u2069\u202cb", "ab"),
        ("\u2068\u202ea\u2069b\u202c", "\u2068\u202ea\u2069b"),
        ("\u0645\u0631\u062d\u0628\u0627 \u200f", "\u0645\u0631\u062d\u0628\u0627 \u200f"),
    ],
)
def test_a_value_turns_the_writing_of_nothing_but_itself(name, shown):
    assert text("Hi {{ name }}!", name=name) == f"Hi {shown}!"
    assert f'<a href="https://e.org">{shown}</a>' in page("{{ 'https://e.org'|link(name) }}", name=name)


def test_a_choice_between_constants_may_stand_anywhere_in_html():
    assert "<p class=even>x</p>" in page("<p class={{ 'even' if items else 'odd' }}{{ ' hidden' if not items }}>x</p>")


def test_a_value_of_directions_alone_takes_no_time():
    began = time.monotonic()
    assert markdown.clean("\u202a" * 200_000 + "\u2069" * 200_000) == "\u202a" * 200_000 + "\u202c" * 200_000
    assert time.monotonic() - began < 60
