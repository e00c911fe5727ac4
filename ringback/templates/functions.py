"""The functions and operators of card expressions, with the meanings that adaptive-expressions gives them.

Left out on purpose: what depends on the moment or on chance (utcNow, rand, newGuid), what runs patterns or queries of
its own (isMatch, jPath, xPath), and what can make much out of little (range, json).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from ringback.templates.arithmetic import (
    MISSING,
    Function,
    add,
    compare,
    divide,
    equal,
    is_number,
    is_true,
    joined,
    modulo,
    multiply,
    numbers_of,
    power,
    shown,
    subtract,
    whole_of,
    written,
)
from ringback.templates.budget import CONTAINERS, RenderError, check_length, kept_small, unfolded
from ringback.templates.data_schema import read_time


def concat(*operands: Any) -> Any:
    """Strings joined; lists, when all are lists, one after the other."""
    if operands and all(isinstance(operand, list) for operand in operands):
        return kept_small([item for operand in operands for item in operand])
    return joined(*operands)


def count(value: Any) -> int:
    """How many items, properties or characters."""
    if not isinstance(value, (list, dict, str)):
        raise RenderError(f"count is for lists and strings: {shown(value)} is neither.")
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
        raise RenderError(f"join is for lists: {shown(items)} is none.")
    texts = [written(item) for item in items]
    check_length(sum(map(len, texts)) + len(written(separator)) * len(texts))
    if before_last is None or len(texts) < 2:
        return written(separator).join(texts)
    return written(before_last).join([written(separator).join(texts[:-1]), texts[-1]])


def substring(value: Any, start: Any, length: Any = None) -> str:
    """Characters from `start`, counted from 0."""
    text, begin = written(value), whole_of("substring", start)
    end = len(text) if length is None else begin + whole_of("substring", length)
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
    (number,) = numbers_of("round", (value,))
    places = min(max(whole_of("round", digits), 0), 15)
    found = math.floor(number * 10**places + 0.5) / 10**places
    return int(found) if found.is_integer() else found


def format_number(value: Any, digits: Any, locale: Any = "en") -> str:
    """1,234.50 for (1234.5, 2); the third argument is a locale."""
    from ringback.templates import formats  # noqa: PLC0415  zoneinfo and decimal only where numbers are formatted

    (number,) = numbers_of("formatNumber", (value,))
    return formats.number(number, written(locale), whole_of("formatNumber", digits))


def format_date_time(value: Any, pattern: Any = "yyyy-MM-ddTHH:mm:ss.fffZ", locale: Any = "en") -> str:
    """A UTC time by a .NET pattern of yyyy, MM, MMM, dd, d, HH, H, mm, ss."""
    from ringback.templates import formats  # noqa: PLC0415  as for numbers

    try:
        moment = read_time(written(value))
    except ValueError:
        raise RenderError(f"{shown(value)} is no ISO 8601 time.") from None
    return formats.by_pattern(moment, written(pattern), written(locale))


def to_int(value: Any) -> int:
    """A whole number out of a string or a number, cut off."""
    try:
        return int(float(value)) if is_number(value) else int(written(value).strip())
    except (ValueError, OverflowError):
        raise RenderError(f"{shown(value)} is no whole number.") from None


def to_float(value: Any) -> float:
    """A number out of a string or a number."""
    try:
        found = float(value if is_number(value) else written(value))
    except ValueError:
        raise RenderError(f"{shown(value)} is no number.") from None
    if not math.isfinite(found):
        raise RenderError(f"{shown(value)} is no number.")
    return found


def to_string(value: Any) -> str:
    """Text; lists and objects as JSON."""
    if not isinstance(value, CONTAINERS):
        return written(value)
    check_length(sum(len(part) if isinstance(part, str) else 1 for part in unfolded(value)))
    return msgspec.json.encode(value).decode()


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Function:
    def extreme(*operands: Any) -> Any:
        flat = [item for operand in operands for item in (operand if isinstance(operand, list) else [operand])]
        if not flat:
            raise RenderError(f"{name} needs a number.")
        return choose(numbers_of(name, flat))

    return extreme


def _of_list(name: str, made: Callable[[list[Any]], Any]) -> Function:
    def of_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise RenderError(f"{name} is for lists: {shown(value)} is none.")
        return made(value)

    return of_list


def _of_text(made: Callable[[str], Any]) -> Function:
    return lambda value: made(written(value))


def _average(values: list[Any]) -> Any:
    numbers = numbers_of("average", values)
    return sum(numbers) / len(numbers) if numbers else 0


def _unique(values: list[Any]) -> list[Any]:
    keyed = {msgspec.json.encode(value, order="sorted"): value for value in reversed(values)}
    return list(reversed(keyed.values()))


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
    "&": (2, 2, joined),
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
    "sum": (1, 1, _of_list("sum", lambda values: sum(numbers_of("sum", values)))),
    "average": (1, 1, _of_list("average", _average)),
    "reverse": (1, 1, _of_list("reverse", lambda values: values[::-1])),
    "unique": (1, 1, _of_list("unique", _unique)),
    "round": (1, 2, round_half_up),
    "floor": (1, 1, lambda value: math.floor(*numbers_of("floor", (value,)))),
    "ceiling": (1, 1, lambda value: math.ceil(*numbers_of("ceiling", (value,)))),
    "abs": (1, 1, lambda value: abs(*numbers_of("abs", (value,)))),
    "int": (1, 1, to_int),
    "float": (1, 1, to_float),
    "string": (1, 1, to_string),
    "createArray": (0, 40, lambda *items: list(items)),
    "skip": (2, 2, lambda items, number: items[whole_of("skip", number) :] if isinstance(items, list) else MISSING),
    "take": (2, 2, lambda items, number: items[: whole_of("take", number)] if isinstance(items, list) else MISSING),
    "formatNumber": (2, 3, format_number),
    "formatDateTime": (1, 3, format_date_time),
}
