from __future__ import annotations

import pytest

from ringback.errors import RequestError
from ringback.files.encoding import decode, refuse_binary

TEXT = "näme,größe\nÖl,1 €\n"


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"a,b\n1,2\n", "utf-8"),
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-8"),
        (TEXT.encode("cp1252"), "cp1252"),
        ("größe\x81".encode("latin-1"), "latin-1"),
    ],
)
def test_encodings(raw, encoding):
    content = decode(raw)
    assert content.encoding == encoding
    assert content.content.decode(encoding) in {TEXT, "a,b\n1,2\n", "größe\x81"}
    assert not content.notes


def test_a_damaged_byte_does_not_turn_utf8_into_another_encoding():
    content = decode(("é" * 50).encode() + b"\xff, end")
    assert content.encoding == "utf-8"
    assert content.notes == ("1 character could not be read.",)
    assert decode(("é" * 50).encode() + b"\xff-\xff").notes == ("2 characters could not be read.",)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04rest", "xlsx"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n", "image"),
        (b"\xff\xd8\xff\xe0", "image"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"\xd0\xcf\x11\xe0", "xls"),
        (b"plain\0text", "binary"),
        (bytes(range(1, 200)), "binary"),
    ],
)
def test_binary_files_are_refused_with_advice(head, words):
    for check in (refuse_binary, decode):
        with pytest.raises(RequestError, match=words) as raised:
            check(head)
        assert "send a CSV or text file" in str(raised.value)


def test_a_null_byte_anywhere_is_binary():
    with pytest.raises(RequestError):
        decode(b"a,b\n" * 5000 + b"\0")
    with pytest.raises(RequestError):
        decode("a\0b".encode("utf-16"))


def test_odd_utf16_is_read_as_far_as_it_goes():
    content = decode("a,b".encode("utf-16") + b"x")
    assert content.content.startswith(b"a,b")
    assert content.notes
