from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.channels.address import Address, checked, email, phone
from ringback.errors import RequestError


@pytest.mark.parametrize(
    ("text", "region", "value"),
    [
        ("+491511 2345678", None, "+4915112345678"),
        ("0151 12345678", "DE", "+4915112345678"),
        (" +1 (425) 555-0100 ", None, "+14255550100"),
        ("0044 7911 123456", "DE", "+447911123456"),
        ("+4915112345678", "US", "+4915112345678"),
    ],
)
def test_numbers_get_one_spelling(text, region, value):
    assert phone(text, region=region) == Address(kind="sms", value=value)


@pytest.mark.parametrize(
    "text", ["", "0151 12345678", "+49", "+4912", "+1 800 FLOWERS", "+1 425 555 0100 ext. 7", "ann@example.org", "+999123456789", "1" * 300]
)  # fmt: skip
def test_what_is_no_number_is_refused(text):
    with pytest.raises(RequestError) as refusal:
        phone(text)
    assert refusal.value.field == "phone"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ann@example.org", "ann@example.org"),
        (" Ann.Bo+tag@EXAMPLE.org ", "Ann.Bo+tag@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("o'neill_{x}@mail.example.co.uk", "o'neill_{x}@mail.example.co.uk"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_mailboxes_get_one_spelling(text, value):
    assert email(text, "Ann") == Address(kind="email", value=value, name="Ann")


@pytest.mark.parametrize(
    "text",
    [
        "", "ann", "@example.org", "ann@", "ann@example", "ann@localhost", "a..b@example.org", ".a@example.org",
        "ann@exa mple.org", "ann@-example.org", "ann@example..org", "ann@127.0.0.1", "ann@[127.0.0.1]",
        '"ann bo"@example.org', "ann@example.org\r\nBcc: eve@example.org", "a\r\nb@example.org", "ann@example.org>",
        "anné@example.org", "a" * 65 + "@example.org", "a@" + "b." * 130 + "org", "Ann <ann@example.org>",
        "ann@exam\u200dple\u2024org", "a@b@c.org",
    ],
)  # fmt: skip
def test_what_is_no_mailbox_is_refused(text):
    with pytest.raises(RequestError) as refusal:
        email(text)
    assert refusal.value.field == "email"


@given(st.text(max_size=40))
def test_any_text_makes_a_clean_address_or_a_refusal(text):
    for make in (email, phone):
        try:
            made = make(text)
        except RequestError:
            continue
        assert made.value.isascii()
        assert made.value.isprintable()
        assert " " not in made.value
        assert checked(made) is made


@pytest.mark.parametrize(
    "address",
    [
        Address(kind="sms", value="0151"),
        Address(kind="sms", value="+4915112345678\r\n"),
        Address(kind="sms", value="ann@example.org"),
        Address(kind="email", value="ann@EXAMPLE.org"),
        Address(kind="email", value="+4915112345678"),
    ],
)
def test_a_stored_address_is_checked_again(address):
    with pytest.raises(RequestError):
        checked(address)


def test_a_masked_address_cannot_be_written_to():
    assert phone("+4915112345678").masked == "+49…78"
    assert email("ann@example.org").masked == "a…@example.org"
