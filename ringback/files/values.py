r"""What one cell can be read as, before the column as a whole decides.

Numbers come in kinds, because a point or a comma may part decimals or thousands:

==========  =========================  ====================  =====================
kind        examples                   with a decimal point  with a decimal comma
==========  =========================  ====================  =====================
integer     12, -7                     12                    12
point       12.5, .5, 1e6, 1234.567    12.5                  no number
either      1.234                      1.234                 1234
group       1,234                      1234                  1.234
grouped     1,234,567  1,234.5         1234567               no number
comma       12,5  1.234,5  1.234.567   no number             12.5
==========  =========================  ====================  =====================

Missing, in any case of letters: an empty cell, white space, NA, N/A, #N/A, n.a., null, NaN, nil, none, missing, -, --,
? and \N. Booleans: true, false, yes, no, and their first letters; 0 and 1 are integers.

A currency sign or percent sign at one end is taken off and kept as the unit. Text are: digits with a leading zero
(post codes), more than 40 characters, exponents over 300, infinity, several signs, numbers in brackets.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from ringback.files.dates import Moment, read_moment

MISSING = frozenset({"", "na", "n/a", "#n/a", "n.a.", "null", "nan", "nil", "none", "missing", "-", "--", "?", "\\n"})
BOOLEANS = frozenset({"true", "false", "yes", "no", "y", "n", "t", "f"})
LONGEST_WORD = max(map(len, MISSING | BOOLEANS))
UNITS = "$€£¥%"
NUMERIC = ("integer", "point", "either", "group", "grouped", "comma")
LONGEST_NUMBER = 40
LONGEST_DATE = 40
LARGEST_EXPONENT = 300
STARTS = frozenset("0123456789+-.,")

INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
POINT = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,4}))?")
GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){2,}(?:\.[0-9]*)?|,[0-9]{3}\.[0-9]*)")
COMMA = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)?,[0-9]+|[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+,[0-9]+|(?:\.[0-9]{3}){2,}))")


class Value(msgspec.Struct, frozen=True, gc=False):
    """One reading: kind is missing, boolean, date, text or one of NUMERIC; `number` is its first reading above."""

    kind: str
    number: Decimal | None = None
    whole: bool = False
    unit: str = ""
    moment: Moment | None = None


MISSING_VALUE = Value("missing")
BOOLEAN_VALUE = Value("boolean")
TEXT_VALUE = Value("text")


def read_value(text: str) -> Value:
    """Read a stripped cell."""
    if not text:
        return MISSING_VALUE
    if text[0] in STARTS:
        value = _read_number(text, "") or _read_date(text)
        if value:
            return value
    if len(text) <= LONGEST_WORD:
        word = text.lower()
        if word in MISSING:
            return MISSING_VALUE
        if word in BOOLEANS:
            return BOOLEAN_VALUE
    if text[0] in UNITS or text[-1] in UNITS or text[0] == "-":
        return _read_with_unit(text) or TEXT_VALUE
    return TEXT_VALUE


def _read_number(text: str, unit: str) -> Value | None:
    if INTEGER.fullmatch(text) and len(text) <= LONGEST_NUMBER:
        return Value("integer", Decimal(text), whole=True, unit=unit)
    if len(text) > LONGEST_NUMBER:
        return None
    found = POINT.fullmatch(text)
    if found:
        if found[1] and abs(int(found[1])) > LARGEST_EXPONENT:
            return None
        return Value("either" if EITHER.fullmatch(text) else "point", Decimal(text), unit=unit)
    return _read_separated(text, unit) if "," in text or text.count(".") > 1 else None


def _read_separated(text: str, unit: str) -> Value | None:
    if GROUP.fullmatch(text):
        return Value("group", Decimal(text.replace(",", "")), whole=True, unit=unit)
    if GROUPED.fullmatch(text):
        return Value("grouped", Decimal(text.replace(",", "")), whole="." not in text, unit=unit)
    if COMMA.fullmatch(text):
        return Value("comma", Decimal(text.replace(".", "").replace(",", ".")), whole="," not in text, unit=unit)
    return None


def _read_date(text: str) -> Value | None:
    moment = read_moment(text) if len(text) <= LONGEST_DATE else None
    return Value("date", moment=moment) if moment else None


def _read_with_unit(text: str) -> Value | None:
    """One unit at either end: $5, -$5, 5 €, 12.5 %."""
    sign, rest = (text[0], text[1:].lstrip()) if text[0] == "-" else ("", text)
    if not rest:
        return None
    if rest[0] in UNITS:
        unit, digits = rest[0], rest[1:].lstrip()
    elif rest[-1] in UNITS:
        unit, digits = rest[-1], rest[:-1].rstrip()
    else:
        return None
    if sign and digits.startswith(("-", "+")):
        return None
    return _read_number(sign + digits, unit)
