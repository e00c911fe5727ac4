"""What the bytes of a file are: refused when they are not text, else brought to one of three encodings.

UTF-16 (known by its byte order mark) is rewritten as UTF-8, so that everything after this module sees an encoding in
which line ends, quotes and delimiters are single ASCII bytes.
"""

from __future__ import annotations

import codecs
import re

import msgspec

from ringback.errors import RequestError

ADVICE = "send a CSV or text file"
SIGNATURES = (
    (b"PK\x03\x04", f"This is a ZIP file or an Office document (such as .xlsx): save it as CSV, then {ADVICE}."),
    (b"\xd0\xcf\x11\xe0", f"This is an old Office document (such as .xls): save it as CSV, then {ADVICE}."),
    (b"%PDF", f"This is a PDF: {ADVICE}."),
    (b"\x89PNG", f"This is an image: {ADVICE}."),
    (b"\xff\xd8\xff", f"This is an image: {ADVICE}."),
    (b"GIF8", f"This is an image: {ADVICE}."),
    (b"RIFF", f"This is an image, sound or video: {ADVICE}."),
    (b"\x1f\x8b", f"This file is compressed: unpack it, then {ADVICE}."),
    (b"7z\xbc\xaf", f"This file is compressed: unpack it, then {ADVICE}."),
    (b"Rar!", f"This file is compressed: unpack it, then {ADVICE}."),
    (b"PAR1", f"This is a Parquet file: save it as CSV, then {ADVICE}."),
    (b"SQLite format 3", f"This is a database: {ADVICE}."),
)
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
HEAD_BYTES = 4096
CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
CONTROL_SHARE = 0.05
CP1252_GAPS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
# Text of an 8-bit code page hardly ever forms valid UTF-8 sequences; a UTF-8 file with a few damaged bytes mostly does.
DAMAGE_SHARE = 0.1


class Content(msgspec.Struct, frozen=True):
    """A file's bytes in `encoding` (utf-8, cp1252 or latin-1), without a byte order mark."""

    content: bytes
    encoding: str
    notes: tuple[str, ...] = ()


def refuse_binary(head: bytes) -> None:
    """Raise RequestError, saying what to send instead, when a file's first bytes are those of no text file."""
    for signature, message in SIGNATURES:
        if head.startswith(signature):
            raise RequestError(message)
    sample = head[:HEAD_BYTES]
    if not sample.startswith(UTF16_MARKS):
        _refuse_controls(sample)


def decode(content: bytes) -> Content:
    """Find the encoding of a whole file; raises RequestError when it is binary."""
    refuse_binary(content[:HEAD_BYTES])
    if content.startswith(UTF16_MARKS):
        return _from_utf16(content)
    if b"\0" in content:
        raise RequestError(f"This is a binary file: {ADVICE}.")
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.isascii():
        return Content(content, "utf-8")
    return _with_encoding(content)


def _refuse_controls(sample: bytes) -> None:
    if b"\0" in sample or len(CONTROLS.findall(sample)) > CONTROL_SHARE * len(sample):
        raise RequestError(f"This is a binary file: {ADVICE}.")


def _from_utf16(content: bytes) -> Content:
    text = content.decode("utf-16", errors="replace")
    if "\0" in text:
        raise RequestError(f"This is a binary file: {ADVICE}.")
    return Content(text.encode(), "utf-8", _damage(text.count("\ufffd")))


def _with_encoding(content: bytes) -> Content:
    text = content.decode(errors="replace")
    damaged = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", errors="ignore"))
    if damaged <= DAMAGE_SHARE * foreign:
        return Content(content, "utf-8", _damage(damaged))
    return Content(content, "latin-1" if CP1252_GAPS.search(content) else "cp1252")


def _damage(damaged: int) -> tuple[str, ...]:
    if not damaged:
        return ()
    return ("1 character could not be read." if damaged == 1 else f"{damaged:,} characters could not be read.",)
