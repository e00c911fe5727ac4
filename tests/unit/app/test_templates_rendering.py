"""The variant chosen, and the message made of it for each kind of channel; the templates that come with the app."""

from __future__ import annotations

import json

import msgspec
import pytest

from ringback.channels import sms_text
from ringback.errors import RequestError, TooLargeError
from ringback.templates.builtin import builtin_templates
from ringback.templates.checking import check_template
from ringback.templates.model import Variant, fallbacks, parse_template
from ringback.templates.rendering import Renderer
from ringback.templates.samples import samples
from tests.unit.app.templates_support import block, body, card, checked, data, made, renderer


@pytest.mark.parametrize(
    ("locale", "channel", "found"),
    [
        ("de-AT", "chat", ("de-AT", "chat")),
        ("de_at", "chat", ("de-AT", "chat")),
        ("de-AT", "sms", ("de-AT", "chat")),
        ("de-CH-1996", "sms", ("de", "sms")),
        ("de", "email", ("de", "chat")),
        ("fr", "email", ("en", "email")),
        (None, "sms", ("en", "chat")),
        ("no such locale!", "chat", ("en", "chat")),
        ("EN-us", "email", ("en", "email")),
        ("pt", "email", ("pt", "email")),
        ("pt", "sms", ("en", "chat")),
    ],
)
def test_language_counts_more_than_the_kind_of_channel(locale, channel, found):
    words = {"text": "x"}
    template = made(
        en={"chat": words, "email": words}, de={"chat": words, "sms": words}, de_AT={"chat": words}, pt={"email": words}
    )
    assert template.find(locale, channel)[:2] == found


def test_fallbacks_of_locales():
    assert fallbacks("zh-Hant-TW") == ["zh-hant-tw", "zh-hant", "zh"]
    assert fallbacks("") == fallbacks(None) == fallbacks("x") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"defaultLocale": "english"}, "defaultLocale"),
        ({"defaultLocale": "de"}, "variants.de.chat"),
        ({"defaultLocale": 7}, "defaultLocale"),
        ({"schema": []}, "schema"),
        ({"variants": {"en": {"fax": {"text": "x"}}}}, "variants.en.fax"),
        ({"variants": {"en": {"chat": {}}}}, "variants.en.chat"),
        ({"variants": {"en": {"email": {"text": "x"}}}}, "variants.en.chat"),
        ({"variants": {"en": {"chat": {"text": "x"}, "sms": {"card": card()}}}}, "variants.en.sms.card"),
        ({"variants": {"en": {"chat": {"text": "x", "html": "x"}}}}, "variants.en.chat.html"),
        ({"variants": {"en": {"chat": {"text": "x" * 20_000}}}}, "variants.en.chat.text"),
        ({"variants": {"en": {"chat": {"text": "x"}}, "EN": {"chat": {"text": "x"}}}}, "variants.EN"),
        ({"variants": {"en": {"chat": {"txt": "x"}}}}, None),
        ({"name": "other"}, "name"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_template_of_the_wrong_form_names_the_field(change, field):
    with pytest.raises(RequestError) as caught:
        parse_template("test", json.dumps({**body(en="x"), **change}).encode())
    if field is not None:
        assert caught.value.field == field


@pytest.mark.parametrize("name", ["", "Upper", "-x", "x-", "a/b", "a" * 65, "ä", "a b"])
def test_names_are_slugs(name):
    with pytest.raises(RequestError) as caught:
        parse_template(name, json.dumps(body(en="x")).encode())
    assert caught.value.field == "name"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'"' + b"x" * 300_000 + b'"'])
def test_bodies_that_are_no_template(raw):
    with pytest.raises(RequestError) as caught:
        parse_template("x", raw)
    assert caught.value.field == "body"


def test_a_description_has_room_in_its_row():
    given = body(en="x")
    assert parse_template("x", json.dumps({**given, "description": "ü" * 2_000}).encode()).description
    with pytest.raises(TooLargeError) as caught:
        parse_template("x", json.dumps({**given, "description": "x" * 2_001}).encode())
    assert caught.value.field == "description"


def test_a_chat_message_with_a_card():
    template = renderer(en={"chat": {"text": "Hi **{{ name }}**", "card": card(block("${name}"))}})
    message = template.render(data())
    assert message.text == "Hi **Ann**"
    assert message.fallback_text == "Hi Ann"
    assert message.card["body"] == [block("Ann")]
    activity = message.activity()
    assert activity["summary"] == "Hi Ann"
    assert activity["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert message.card_bytes == 2 * len(json.dumps(message.card, separators=(",", ":")))
    assert message.message_bytes == 2 * len(json.dumps(activity, separators=(",", ":")))


def test_a_card_without_text_falls_back_to_what_it_says():
    only_card = renderer(en={"chat": {"card": card(block("Hi ${name}", size="large"), block("Bye"))}})
    message = only_card.render(data())
    assert (message.text, message.fallback_text) == ("", "Hi Ann\n\nBye")
    assert only_card.render(data(), channel="sms").text == "Hi Ann\n\nBye"
    email = only_card.render(data(), channel="email")
    assert email.subject == "Hi Ann"
    assert "<h2>Hi Ann</h2>" in email.html
    assert email.card is None


def test_an_email_has_a_subject_text_and_html():
    written = {"text": "Dear *{{ name }}*,\n\n- one\n- two", "subject": "For {{ name }}\nBcc: x@example.org"}
    template = renderer(en={"chat": {"text": "x"}, "email": written})
    message = template.render(data(name="<A> & _B_\r\nX: y"), channel="email")
    assert message.subject == "For <A> & _B_ X: y Bcc: x@example.org"
    assert message.text == "Dear <A> & _B_\nX: y,\n\n- one\n- two" or message.text.startswith("Dear")
    assert "<ul><li>one</li><li>two</li></ul>" in message.html
    assert "<A>" not in message.html
    assert '<html lang="en">' in message.html


def test_html_of_ones_own_escapes_what_is_put_in():
    own = {
        "text": "x",
        "html": '<p title="{{ name }}">{{ name }}</p>{% if url is defined %}{{ url|link("go") }}{% endif %}',
    }
    checked(en={"chat": {"text": "x"}, "email": own})
    template = renderer(en={"chat": {"text": "x"}, "email": own})
    page = template.render(data(name='"<b>&'), channel="email").html
    assert '<p title="&#34;&lt;b&gt;&amp;">&#34;&lt;b&gt;&amp;</p>' in page
    assert (
        '<a href="https://e.org/?a&amp;b">go</a>'
        in template.render(data(url="https://e.org/?a&b"), channel="email").html
    )
    linked = renderer(en={"chat": {"text": "x"}, "email": {"text": "x", "html": '<a href="{{ name }}">x</a>'}})
    with pytest.raises(RequestError, match="links to a script"):
        linked.render(data(name="javascript:alert(1)"), channel="email")


def test_an_sms_is_plain_and_counted():
    template = renderer(en={"chat": {"text": "x"}, "sms": {"text": "Hi {{ name }} *not bold*"}})
    message = template.render(data(name="*A*"), channel="sms")
    assert message.text == "Hi *A* *not bold*"
    assert message.card is None
    long = template.render(data(name="x" * 200), channel="sms")
    assert long.warnings == ("variants.en.sms.text: sent as 2 SMS in GSM-7.",)
    with pytest.raises(TooLargeError, match="ten parts"):
        template.render(data(name="x" * 2_000), channel="sms")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 160, (1, "GSM-7")),
        ("x" * 161, (2, "GSM-7")),
        ("€" * 80, (1, "GSM-7")),
        ("€" * 81, (2, "GSM-7")),
        ("ж" * 70, (1, "UCS-2")),
        ("😀" * 36, (2, "UCS-2")),
        ("", (1, "GSM-7")),
    ],
)
def test_segments_of_an_sms(text, expected):
    found = sms_text.segments(text)
    assert (found.parts, found.alphabet) == expected


def test_a_message_past_its_size_is_refused():
    template = renderer(en="{{ name }} {{ name }}")
    with pytest.raises(TooLargeError, match="over 81920"):
        template.render(data(name="x" * 25_000))


def test_what_is_too_long_for_an_sms_is_a_warning_where_chat_is_meant():
    (warning,) = checked(en="x" * 2_000).warnings
    assert "too large for sms" in warning
    with pytest.raises(TooLargeError):
        checked(en={"chat": {"text": "x"}, "sms": {"text": "x" * 2_000}})


def test_an_unknown_kind_of_channel():
    with pytest.raises(RequestError) as caught:
        renderer(en="x").render(data(), channel="fax")
    assert caught.value.field == "channel"


@pytest.mark.parametrize("name", sorted(builtin_templates()))
def test_what_comes_with_the_app_passes_its_own_check(name):
    template = builtin_templates()[name]
    assert template.name == name
    check_template(template)
    assert set(template.variants) == {"en", "de"}
    again = parse_template(name, msgspec.json.encode(template))
    assert again == template
    prepared = Renderer(template)
    for sample in samples(prepared.schema):
        for locale in ("en", "de"):
            message = prepared.render(sample, locale, "email")
            assert "{{" not in message.text
            assert "${" not in message.text
            assert message.subject


def test_words_of_what_comes_with_the_app():
    order = Renderer(builtin_templates()["order-created"])
    assert (
        order.render({"orderNumber": "4711"}, "en-GB").text
        == "Your order **4711** has been created and is being processed."
    )
    assert (
        order.render({"orderNumber": "4711"}, "de", "sms").text
        == "Ihre Bestellung 4711 ist eingegangen und wird bearbeitet."
    )
    paid = Renderer(builtin_templates()["payment-processed"])
    failed = {"orderNumber": "7", "amount": 1234.5, "currency": "EUR", "status": "failed"}
    assert "1.234,50\u00a0€" in paid.render(failed, "de").text
    assert "did not go through" in paid.render(failed).fallback_text
    alert = {"alertRule": "cpu", "severity": "Sev1", "monitorCondition": "Resolved", "description": ""}
    assert Renderer(builtin_templates()["azure-monitor-alert"]).render(alert).subject == "[Sev1] cpu: resolved"


def test_variants_are_plain_structs():
    assert Variant(text="x") == Variant(text="x", card=None)
