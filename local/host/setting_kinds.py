"""The kinds of values that settings have, and how each is read: as leniently as the real host, which reads texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TIMESPAN = re.compile(r"(?:([0-9]+)\.)?([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{1,7}))?)?")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Kind:
    """`wanted` completes the sentence "it must be …"; `read` raises ValueError for anything else."""

    wanted: str
    read: Callable[[Any], Any]


def whole(low: int, high: int = LARGEST) -> Kind:
    """A whole number, or a text of one."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not re.fullmatch(r"\s*-?\d+\s*", str(value)):
            raise ValueError
        if not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return Kind(f"a whole number from {low} to {high}" if high < LARGEST else f"a whole number, {low} or more", read)


def choice(*names: str) -> Kind:
    """One of the names of an enumeration in any letter case, or its number."""

    def read(value: Any) -> str:
        numbered = {str(number): name for number, name in enumerate(names)}
        found = {name.lower(): name for name in names} | numbered
        if isinstance(value, bool) or not isinstance(value, (int, str)) or str(value).lower() not in found:
            raise ValueError
        return found[str(value).lower()]

    return Kind("one of " + ", ".join(f'"{name}"' for name in names), read)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - what every kind raises
    return value


def _name(value: Any) -> str:
    if not _text(value).strip():
        raise ValueError
    return _text(value)


def _flag(value: Any) -> bool:
    if str(value).lower() not in ("true", "false") or not isinstance(value, (bool, str)):
        raise ValueError
    return str(value).lower() == "true"


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004
    return [_text(item) for item in value]


def _headers(value: Any) -> dict[str, str]:
    headers = _object(value)
    for name, text in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(_text(text)):
            raise ValueError
    return headers


def _timespan(value: Any) -> str:
    match = TIMESPAN.fullmatch(_text(value).strip())
    if match is None or int(match[2]) > 23 or int(match[3]) > 59 or int(match[4] or 0) > 59 or len(match[1] or "") > 8:
        raise ValueError
    return match[0]


def _timeout(value: Any) -> str:
    if value == "-1":
        return "-1"
    if not re.search("[1-9]", _timespan(value)):
        raise ValueError
    return _timespan(value)


TEXT = Kind('a text, such as "x"', _text)
NAME = Kind('a text that is not empty, such as "x"', _name)
FLAG = Kind("true or false", _flag)
OBJECT = Kind("an object, such as {}", _object)
TEXTS = Kind('a list of texts, such as ["x"]', _texts)
HEADERS = Kind('an object of header names with texts of one line, such as {"X-Frame-Options": "DENY"}', _headers)
SPAN = Kind('a time span "hh:mm:ss" or "d.hh:mm:ss" with hours below 24, such as "00:00:30"', _timespan)
TIMEOUT = Kind('a time span such as "00:05:00" (hours below 24, more as "1.00:00:00"), or "-1" for none', _timeout)
