from __future__ import annotations

import pytest

from ringback.channels import mail as mails
from ringback.channels.mail import Mail, mail, plain, sender
from ringback.errors import ConfigurationError, RequestError


def test_what_is_missing_is_made_from_the_rest():
    assert mail({"text": "First line\nsecond"}) == Mail(subject="First line", text="First line\nsecond")
    made = mail({"html": "<h1>Order 7</h1><p>It is <b>on</b> its way.</p>", "text": " "})
    assert (made.subject, made.text) == ("Order 7", "Order 7\n\nIt is on its way.")


def test_a_subject_is_one_printable_line():
    made = mail({"subject": " a\r\nBcc: eve@example.org\x00\x1b ", "text": "x"})
    assert made.subject == "a Bcc: eve@example.org"
    assert len(mail({"subject": "x" * 1000, "text": "x"}).subject) == 200


def test_half_a_character_is_replaced():
    assert mail({"text": "a\ud83d"}).text == "a?"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"html": "<p> </p>"}, "text"),
        ({"text": "x", "html": ["x"]}, "html"),
        ({"text": "x", "subject": {}}, "subject"),
        ({"text": "x", "headers": ["a"]}, "headers"),
        ({"text": "x", "headers": {"To": "eve@example.org"}}, "headers"),
        ({"text": "x", "headers": {"Content-Type": "text/html"}}, "headers"),
        ({"text": "x", "headers": {"X A": "b"}}, "headers"),
        ({"text": "x", "headers": {"X-A": "b\nc"}}, "headers"),
        ({"text": "x", "headers": {"X-A": 1}}, "headers"),
    ],
)
def test_what_is_no_email_is_refused_by_field(payload, field):
    with pytest.raises(RequestError) as refusal:
        mail(payload)
    assert refusal.value.field == field


def test_the_size_is_limited(monkeypatch):
    monkeypatch.setattr(mails, "LARGEST", 10)
    assert mail({"text": "x" * 10}).text
    with pytest.raises(RequestError, match="11 bytes"):
        mail({"text": "x" * 4, "html": "é" * 3 + "x"})


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b<hr/>c", "a\nb\nc"),
        ("<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
        ('see <a href="https://x.org/?a=1&amp;b=2">this</a>', "see this (https://x.org/?a=1&b=2)"),
        ('<a href="javascript:alert(1)">no</a><a>none</a>', "nonone"),
        ("<style>p{}</style><script>x()</script><p>ok &amp; &lt;fine&gt;</p>", "ok & <fine>"),
        ("<p>a\n  b</p>\n\n\n<p>c</p>", "a b\n\nc"),
        ("<b>never closed", "never closed"),
        ("</p></a></style>x", "x"),
    ],
)
def test_html_becomes_words(html, text):
    assert plain(html) == text


def test_the_sender_is_an_address_with_or_without_a_name():
    assert sender("Ringback Ltd <hello@example.org>").name == "Ringback Ltd"
    assert sender("hello@example.org").value == "hello@example.org"
    for wrong in ("", "Ringback", "hello@localhost", "a@example.org, b@example.org"):
        with pytest.raises(ConfigurationError, match=r"EMAIL_FROM"):
            sender(wrong)
