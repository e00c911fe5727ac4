"""The functions and operators of card expressions, with the meanings that adaptive-expressions gives them.

Left out on purpose: what depends on the moment or on chance (utcNow, rand, newGuid), what runs patterns or queries of
its own (isMatch, jPath, xPath), and what can make much out of little (range, json).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from ringback.templates.budget import RenderError, check_length, kept_small
from ringback.templates.data_schema import read_time


class Missing:
    """The value of a property that is not there."""


MISSING = Missing()
Function = Callable[..., Any]


def written(value: Any) -> str:
    """A value inside text, as JavaScript writes it; nothing for null."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}".removesuffix(".0") if abs(value) < 1e21 else repr(value)
    if isinstance(value, list):
        raise RenderError("A list cannot be written into a text: use join(…), or repeat the element with $data.")
    if isinstance(value, dict):
        raise RenderError("An object cannot be written into a text: choose one of its properties.")
    return str(kept_small(value))


def is_true(value: Any) -> bool:
    """Only false and null are false: 0 and "" are true, as in adaptive-expressions."""
    return value is not None and value is not MISSING and value is not False


def add(*operands: Any) -> Any:
    """Numbers are added, strings joined."""
    if all(_is_number(operand) for operand in operands):
        return kept_small(sum(operands))
    for operand in operands:
        if not _is_number(operand) and not isinstance(operand, str):
            raise RenderError(f"+ is for numbers and strings: {_shown(operand)} is neither.")
    return concat(*operands)


def subtract(*operands: Any) -> Any:
    """The first less the others."""
    found, *others = _numbers("-", operands)
    return found - sum(others)


def multiply(*operands: Any) -> Any:
    """The product."""
    found = 1
    for operand in _numbers("*", operands):
        found = kept_small(found * operand)
    return found


def divide(*operands: Any) -> Any:
    """Rounded down between whole numbers."""
    found, *others = _numbers("/", operands)
    for operand in others:
        if operand == 0:
            raise RenderError("A number is divided by 0.")
        whole = _is_whole(found) and _is_whole(operand)
        found = int(found) // int(operand) if whole else found / operand
    return found


def modulo(left: Any, right: Any) -> Any:
    """The rest, with the sign of the left side."""
    _numbers("%", (left, right))
    if right == 0:
        raise RenderError("A number is divided by 0.")
    found = math.fmod(left, right)
    return int(found) if _is_whole(left) and _is_whole(right) else found


def power(base: Any, exponent: Any) -> Any:
    """The base to the exponent, within reason."""
    _numbers("^", (base, exponent))
    if abs(exponent) > 64 or abs(base) > 1e6:
        raise RenderError("The power is too large.")
    try:
        return kept_small(base**exponent)
    except ArithmeticError:
        raise RenderError("The power is no number.") from None


def equal(left: Any, right: Any) -> bool:
    """By value; true is not 1."""
    left, right = (None if side is MISSING else side for side in (left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def compare(sign: str) -> Function:
    """Numbers with numbers, strings with strings; null compares as false."""
    meaning: dict[str, Callable[[Any, Any], bool]] = {
        "<": lambda left, right: left < right,
        "<=": lambda left, right: left <= right,
        ">": lambda left, right: left > right,
        ">=": lambda left, right: left >= right,
    }

    def compared(left: Any, right: Any) -> bool:
        if any(side is None or side is MISSING for side in (left, right)):
            return False
        if _is_number(left) != _is_number(right) or isinstance(left, str) != isinstance(right, str):
            raise RenderError(f"{_shown(left)} and {_shown(right)} cannot be compared.")
        try:
            return bool(meaning[sign](left, right))
        except TypeError:
            raise RenderError(f"{_shown(left)} and {_shown(right)} cannot be compared.") from None

    return compared


def concat(*operands: Any) -> Any:
    """Strings joined; lists, when all are lists, one after the other."""
    if operands and all(isinstance(operand, list) for operand in operands):
        return kept_small([item for operand in operands for item in operand])
    texts = [written(operand) for operand in operands]
    check_length(sum(map(len, texts)))
    return "".join(texts)


def count(value: Any) -> int:
    """How many items, properties or characters."""
    if not isinstance(value, (list, dict, str)):
        raise RenderError(f"count is for lists and strings: {_shown(value)} is neither.")
    return len(value)


def empty(value: Any) -> bool:
    """Whether there is nothing: no value, no items, no characters."""
    return value is None or value is MISSING or (isinstance(value, (str, list, dict)) and not value)


def first(value: Any) -> Any:
    """The first item or character, else missing."""
    return value[0] if isinstance(value, (list, str)) and value else MISSING


def last(value: Any) -> Any:
    """The last item or character, else missing."""
    return value[-1] if isinstance(value, (list, str)) and value else MISSING


def contains(value: Any, sought: Any) -> bool:
    """Whether a list has the item, an object the property, or a string the part."""
    if isinstance(value, list):
        return any(equal(item, sought) for item in value)
    return isinstance(value, (dict, str)) and isinstance(sought, str) and sought in value


def join(items: Any, separator: Any, before_last: Any = None) -> str:
    """The items as one string; the last separator may be another one, such as " and "."""
    if not isinstance(items, list):
        raise RenderError(f"join is for lists: {_shown(items)} is none.")
    texts = [written(item) for item in items]
    check_length(sum(map(len, texts)) + len(written(separator)) * len(texts))
    if before_last is None or len(texts) < 2:
        return written(separator).join(texts)
    return written(before_last).join([written(separator).join(texts[:-1]), texts[-1]])


def substring(value: Any, start: Any, length: Any = None) -> str:
    """Characters from `start`, counted from 0."""
    text, begin = written(value), _whole("substring", start)
    end = len(text) if length is None else begin + _whole("substring", length)
    if not 0 <= begin <= len(text) or end < begin:
        raise RenderError(f"substring starts at {begin}, outside of the text.")
    return text[begin:end]


def replace(value: Any, old: Any, new: Any) -> str:
    """Every `old` as `new`."""
    text, sought, put = written(value), written(old), written(new)
    if not sought:
        raise RenderError("replace needs something to look for.")
    check_length(len(text) + text.count(sought) * len(put))
    return text.replace(sought, put)


def split(value: Any, separator: Any = "") -> list[str]:
    """The parts between separators; characters when there is none."""
    parted = written(separator)
    return written(value).split(parted) if parted else list(written(value))


def round_half_up(value: Any, digits: Any = 0) -> Any:
    """JavaScript's rounding: 2.5 is 3, -2.5 is -2."""
    (number,) = _numbers("round", (value,))
    places = min(max(_whole("round", digits), 0), 15)
    found = math.floor(number * 10**places + 0.5) / 10**places
    return int(found) if found.is_integer() else found


def format_number(value: Any, digits: Any, locale: Any = "en") -> str:
    """1,234.50 for (1234.5, 2); the third argument is a locale."""
    from ringback.templates import formats  # noqa: PLC0415  zoneinfo and decimal only where numbers are formatted

    (number,) = _numbers("formatNumber", (value,))
    return formats.number(number, written(locale), _whole("formatNumber", digits))


def format_date_time(value: Any, pattern: Any = "yyyy-MM-ddTHH:mm:ss.fffZ", locale: Any = "en") -> str:
    """A UTC time by a .NET pattern of yyyy, MM, MMM, dd, d, HH, H, mm, ss."""
    from ringback.templates import formats  # noqa: PLC0415  as for numbers

    try:
        moment = read_time(written(value))
    except ValueError:
        raise RenderError(f"{_shown(value)} is no ISO 8601 time.") from None
    return formats.by_pattern(moment, written(pattern), written(locale))


def to_int(value: Any) -> int:
    """A whole number out of a string or a number, cut off."""
    try:
        return int(float(value)) if _is_number(value) else int(written(value).strip())
    except (ValueError, OverflowError):
        raise RenderError(f"{_shown(value)} is no whole number.") from None


def to_float(value: Any) -> float:
    """A number out of a string or a number."""
    try:
        found = float(value if _is_number(value) else written(value))
    except ValueError:
        raise RenderError(f"{_shown(value)} is no number.") from None
    if not math.isfinite(found):
        raise RenderError(f"{_shown(value)} is no number.")
    return found


def to_string(value: Any) -> str:
    """Text; lists and objects as JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, (list, dict)) else written(value)


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Function:
    def extreme(*operands: Any) -> Any:
        flat = [item for operand in operands for item in (operand if isinstance(operand, list) else [operand])]
        if not flat:
            raise RenderError(f"{name} needs a number.")
        return choose(_numbers(name, flat))

    return extreme


def _of_list(name: str, made: Callable[[list[Any]], Any]) -> Function:
    def of_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise RenderError(f"{name} is for lists: {_shown(value)} is none.")
        return made(value)

    return of_list


def _of_text(made: Callable[[str], Any]) -> Function:
    return lambda value: made(written(value))


def _average(values: list[Any]) -> Any:
    numbers = _numbers("average", values)
    return sum(numbers) / len(numbers) if numbers else 0


def _unique(values: list[Any]) -> list[Any]:
    keyed = {msgspec.json.encode(value, order="sorted"): value for value in reversed(values)}
    return list(reversed(keyed.values()))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or float(value).is_integer()


def _numbers(name: str, values: Any) -> list[Any]:
    for value in values:
        if not _is_number(value):
            raise RenderError(f"{name} is for numbers: {_shown(value)} is none.")
    return list(values)


def _whole(name: str, value: Any) -> int:
    if not _is_number(value) or not _is_whole(value):
        raise RenderError(f"{name} needs a whole number: {_shown(value)} is none.")
    return int(value)


def _shown(value: Any) -> str:
    return "a missing value" if value is MISSING else repr(value)[:60]


# (least, most) arguments and the function; those of names and of conditions are the evaluator's own.
FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    "+": (2, 2, add),
    "add": (2, 20, add),
    "-": (2, 2, subtract),
    "sub": (2, 20, subtract),
    "*": (2, 2, multiply),
    "mul": (2, 20, multiply),
    "/": (2, 2, divide),
    "div": (2, 20, divide),
    "%": (2, 2, modulo),
    "mod": (2, 2, modulo),
    "^": (2, 2, power),
    "exp": (2, 2, power),
    "&": (2, 2, lambda left, right: concat(written(left), written(right))),
    "==": (2, 2, equal),
    "equals": (2, 2, equal),
    "!=": (2, 2, lambda left, right: not equal(left, right)),
    "<": (2, 2, compare("<")),
    "less": (2, 2, compare("<")),
    "<=": (2, 2, compare("<=")),
    "lessOrEquals": (2, 2, compare("<=")),
    ">": (2, 2, compare(">")),
    "greater": (2, 2, compare(">")),
    ">=": (2, 2, compare(">=")),
    "greaterOrEquals": (2, 2, compare(">=")),
    "not": (1, 1, lambda value: not is_true(value)),
    "exists": (1, 1, lambda value: value is not None and value is not MISSING),
    "empty": (1, 1, empty),
    "concat": (1, 40, concat),
    "count": (1, 1, count),
    "length": (1, 1, _of_text(len)),
    "first": (1, 1, first),
    "last": (1, 1, last),
    "contains": (2, 2, contains),
    "join": (2, 3, join),
    "split": (1, 2, split),
    "substring": (2, 3, substring),
    "replace": (3, 3, replace),
    "indexOf": (2, 2, lambda value, sought: written(value).find(written(sought))),
    "lastIndexOf": (2, 2, lambda value, sought: written(value).rfind(written(sought))),
    "startsWith": (2, 2, lambda value, sought: written(value).startswith(written(sought))),
    "endsWith": (2, 2, lambda value, sought: written(value).endswith(written(sought))),
    "toUpper": (1, 1, _of_text(str.upper)),
    "toLower": (1, 1, _of_text(str.lower)),
    "trim": (1, 1, _of_text(str.strip)),
    "titleCase": (1, 1, _of_text(str.title)),
    "sentenceCase": (1, 1, _of_text(str.capitalize)),
    "uriComponent": (1, 1, _of_text(lambda text: quote(text, safe="!'()*-._~"))),
    "min": (1, 40, _extreme(min, "min")),
    "max": (1, 40, _extreme(max, "max")),
    "sum": (1, 1, _of_list("sum", lambda values: sum(_numbers("sum", values)))),
    "average": (1, 1, _of_list("average", _average)),
    "reverse": (1, 1, _of_list("reverse", lambda values: values[::-1])),
    "unique": (1, 1, _of_list("unique", _unique)),
    "round": (1, 2, round_half_up),
    "floor": (1, 1, lambda value: math.floor(*_numbers("floor", (value,)))),
    "ceiling": (1, 1, lambda value: math.ceil(*_numbers("ceiling", (value,)))),
    "abs": (1, 1, lambda value: abs(*_numbers("abs", (value,)))),
    "int": (1, 1, to_int),
    "float": (1, 1, to_float),
    "string": (1, 1, to_string),
    "createArray": (0, 40, lambda *items: list(items)),
    "skip": (2, 2, lambda items, number: items[_whole("skip", number) :] if isinstance(items, list) else MISSING),
    "take": (2, 2, lambda items, number: items[: _whole("take", number)] if isinstance(items, list) else MISSING),
    "formatNumber": (2, 3, format_number),
    "formatDateTime": (1, 3, format_date_time),
}
