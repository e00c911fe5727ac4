"""What a notification says by each channel: its link, and what is too large for one."""

from __future__ import annotations

import json

import pytest

from ringback.channels import message_size, registry
from ringback.channels.address import Address
from ringback.channels.connector import addressed
from ringback.channels.mail import mail
from ringback.channels.teams import TeamsUser
from ringback.delivery import fitting, request
from ringback.delivery.content import (
    from_card,
    from_template,
    from_text,
    linked_page,
    marked,
    rendered,
)
from ringback.delivery.fitting import check_fitting
from ringback.delivery.request import Saying
from ringback.errors import RequestError, TooLargeError
from ringback.tables.addresses import AddressTable
from ringback.tables.references import ReferenceTable
from ringback.templates.library import Templates
from tests.unit.app.people import reference
from tests.unit.app.templates_support import body

LINK = 'https://shop.example/7?a="><b>&b=2'
SHOWN = "https://shop.example/7?a=&quot;&gt;&lt;b&gt;&amp;b=2"
PARAGRAPH = f'<p><a href="{SHOWN}">{SHOWN}</a></p>'
ANN = reference().user_key
TEAMS = {"channel_id": "msteams"}


@pytest.mark.parametrize(
    ("page", "before"),
    [
        ("<p>hi</p>", ""),
        ("<html><body><p>hi</p></body></html>", "</body></html>"),
        ("<HTML><BODY>hi</BODY ></HTML>", "</BODY ></HTML>"),
        ("<html>hi</html>", "</html>"),
        ("<!-- </body> --><body>hi</body>", "</body>"),
    ],
)
def test_a_link_is_the_last_paragraph_of_a_page(page, before):
    found = linked_page(page, LINK)
    assert found.endswith(f"{PARAGRAPH}\n{before}")
    assert found.replace(f"{PARAGRAPH}\n", "") == page
    assert linked_page(page, None) == page


async def test_an_email_keeps_its_page_beside_the_link(tables):
    html = "<html><body><h1>Parcel {{ n }}</h1></body></html>"
    given = {"chat": {"text": "Parcel {{ n }}"}, "email": {"text": "Parcel {{ n }}", "html": html}}
    whole = {
        "defaultLocale": "en",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "variants": {"en": given},
    }
    await Templates(tables).put("parcel", json.dumps(whole).encode())
    content = await rendered(from_template("parcel", {"n": 7}, None, LINK), "email", None, Templates(tables))
    assert content["html"] == f"<html><body><h1>Parcel 7</h1>{PARAGRAPH}\n</body></html>"
    assert content["text"] == f"Parcel 7\n\n{LINK}"
    assert mail(content).html == content["html"]
    without = await rendered(from_template("parcel", {"n": 7}, None, None), "email", None, Templates(tables))
    assert (without["html"], without["text"]) == (html.replace("{{ n }}", "7"), "Parcel 7")


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "msteams://teams.example/l/x",
        "data:text/html,x",
        "//shop.example",
        "http://",
        "https:///x",
        "ftp://shop.example",
        "https://shop.example/a b",
        "https://shop.example/\u200b",
        "x",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_only_whole_addresses_of_the_web_are_links(link):
    with pytest.raises(RequestError) as caught:
        request.content_of(Saying(text="x", link=link))
    assert caught.value.field == "link"


def test_links_that_are_taken():
    for link in ("https://shop.example/7?a=1&b=2#c", "HTTP://shop.example:8080", "https://[::1]/x"):
        assert link in request.content_of(Saying(text="x", link=link))[0]["text"]


def buttons(size, number=100):
    """A card whose message is so large when it has its address on Teams and the marks of its buttons."""
    actions = [{"type": "Action.Submit", "title": str(n), "data": {"action": f"choice-{n}"}} for n in range(number)]

    def made(text):
        body = [{"type": "TextBlock", "text": text}]
        return from_card({"type": "AdaptiveCard", "version": "1.5", "body": body, "actions": actions}, None, None)

    return made("x" * ((size - sent_size(made(""))) // 2))


def sent_size(content):
    return message_size.of(addressed(reference(user_id="29:ann", **TEAMS), marked(content, "notify-1")))


def test_an_id_of_our_own_names_no_button_of_a_card():
    card = shell("x") | {"actions": [{"type": "Action.Submit", "title": "x", "id": "ringback-link"}]}
    with pytest.raises(RequestError, match="choose another") as caught:
        from_card(card, None, "https://e.org")
    assert caught.value.field == "card.actions.0.id"


def shell(text):
    return {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": text}]}


LARGEST = message_size.LARGEST
LARGE, LONG = buttons(LARGEST + 2), from_text("x" * 1531, None)


@pytest.fixture
def fits(tables, config, monkeypatch):
    """Whether a message is taken; every channel has its settings."""
    monkeypatch.setattr(registry, "problem", lambda kind: "")
    monkeypatch.setattr(fitting, "settings", lambda: config)

    async def asked(content, channels=None, user=ANN, conversation=None):
        activity = marked(await rendered(content, "bot", None, Templates(tables)), "notify-1")
        to = {"channels": channels, "user": user, "conversation": conversation}
        await check_fitting(content, activity, **to, tables=tables)

    return asked


async def on_teams(tables):
    there = reference(user_id="29:ann", **TEAMS)
    await ReferenceTable(tables).put(there)
    return there


async def test_a_card_too_large_for_teams_is_refused_to_who_is_only_there(tables, fits):
    there = await on_teams(tables)
    assert (sent_size(buttons(LARGEST)), sent_size(LARGE)) == (LARGEST, LARGEST + 2)
    for conversation in (None, there.key):
        await fits(buttons(LARGEST), user=there.user_key, conversation=conversation)
        with pytest.raises(TooLargeError, match=f"{LARGEST + 2} bytes of UTF-16") as caught:
            await fits(LARGE, user=there.user_key, conversation=conversation)
        assert caught.value.field == "card"


async def test_it_is_taken_where_another_way_takes_it(tables, fits):
    there = await on_teams(tables)
    await AddressTable(tables).put(there.user_key, Address(kind="email", value="ann@example.org"))
    await fits(LARGE, user=there.user_key)
    with pytest.raises(TooLargeError):
        await fits(LARGE, ("bot",), user=there.user_key)
    await ReferenceTable(tables).put(reference())
    await fits(LARGE)


async def test_who_never_wrote_is_reached_by_a_conversation_that_teams_opens(tables, fits):
    await AddressTable(tables).put("u7", TeamsUser(tenant_id="t", aad_object_id="o"))
    # What a conversation's address adds is known when it is open.
    with pytest.raises(TooLargeError):
        await fits(buttons(LARGEST + 4096), user="u7")
    # Who cannot be reached at all is no matter of size: the gate says so.
    await fits(LARGE, user="u8")


async def test_a_text_too_long_for_sms_is_refused_when_nothing_else_is_left(tables, fits, monkeypatch):
    await ReferenceTable(tables).put(reference())
    await AddressTable(tables).put(ANN, Address(kind="sms", value="+491512345678"))
    await fits(LONG)
    await fits(from_text("x" * 1530, None), ("sms",))
    with pytest.raises(TooLargeError, match="1530") as caught:
        await fits(LONG, ("sms",))
    assert caught.value.field == "text"
    with pytest.raises(TooLargeError) as caught:
        await fits(from_card(shell("😀" * 800), None, None), ("sms",))
    assert caught.value.field == "card"


async def test_a_template_too_long_for_sms(tables, fits):
    wording = {"chat": {"text": "x"}, "sms": {"text": "Hi {{ name }}"}}
    await Templates(tables).put("long", json.dumps(body(en=wording)).encode())
    await AddressTable(tables).put(ANN, Address(kind="sms", value="+491512345678"))
    with pytest.raises(TooLargeError) as caught:
        await fits(from_template("long", {"name": "x" * 1531, "items": []}, None, None), ("sms",))
    assert caught.value.field == "data"
    await fits(from_template("long", {"name": "x", "items": []}, None, None), ("sms",))


@pytest.mark.parametrize("text", ["x" * 40_000, "é" * 40_000, "漢" * 40_000, "😀" * 20_000])
async def test_a_message_is_counted_as_utf_16_whatever_it_is_written_with(tables, fits, text):
    there = await on_teams(tables)
    for saying in (Saying(card=shell(text)), Saying(text=text)):
        content, _ = request.content_of(saying)
        await fits(content, user=there.user_key)
    for saying in (Saying(card=shell(text + "x" * 1000)), Saying(text=text + "x" * 1000)):
        with pytest.raises(TooLargeError, match=r"8\d{4} bytes of UTF-16"):
            request.content_of(saying)


def test_a_link_counts_with_the_card_it_is_added_to():
    link = "https://shop.example/" + "x" * 2_000
    request.content_of(Saying(card=shell("x" * 40_000)))
    with pytest.raises(TooLargeError) as caught:
        request.content_of(Saying(card=shell("x" * 40_000), link=link))
    assert caught.value.field == "card"


async def test_a_link_counts_with_the_template_it_is_added_to(tables):
    wording = {"chat": {"card": shell("Hi ${name}")}}
    await Templates(tables).put("large", json.dumps(body(en=wording)).encode())
    data = {"name": "x" * 40_000, "items": []}
    await rendered(from_template("large", data, None, "https://shop.example/7"), "bot", None, Templates(tables))
    use = from_template("large", data, None, "https://shop.example/" + "x" * 2_000)
    with pytest.raises(TooLargeError) as caught:
        await rendered(use, "bot", None, Templates(tables))
    assert caught.value.field == "data"


async def test_a_template_takes_more_data_than_it_says(tables):
    await Templates(tables).put("brief", json.dumps(body(en="Hi {{ name[:5] }}")).encode())

    async def said(characters):
        data = {"name": "x" * characters, "items": []}
        content, field = request.content_of(Saying(template="brief", data=data))
        assert field == "data"
        return (await rendered(content, "bot", None, Templates(tables)))["text"]

    assert await said(60_000) == "Hi xxxxx"
    with pytest.raises(TooLargeError, match="64 KiB") as caught:
        await said(70_000)
    assert caught.value.field == "data"
