"""JSON as the real host writes it: compact, raw Unicode."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def dumps(value: Any) -> str:
    """Compact JSON of a plain value. Lone surrogates, which no UTF-8 file can hold, stay escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if _is_utf8(text) else json.dumps(value, separators=(",", ":"))


def record(value: dict[str, Any]) -> str:
    """Compact JSON of one of the host's own records: text, small integers, booleans. Much faster than `dumps`."""
    try:
        return _encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        return dumps(value)


def loads(text: str) -> Any:
    """The value of any JSON text, NaN and lone surrogates included. Raises ValueError."""
    return json.loads(text)


def read_record(text: str) -> Any:
    """The value of JSON that `record` wrote."""
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def compact(text: str) -> str:
    """The same JSON without spaces and escapes that need not be there. Raises ValueError."""
    if " " not in text and "\\u" not in text and "\n" not in text and "\t" not in text:
        return text
    return dumps(json.loads(text))


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def parsed_or_text(text: str | None) -> Any:
    """What the management API shows for a stored text: its JSON value, or the text itself."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
