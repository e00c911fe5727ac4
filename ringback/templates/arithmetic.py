"""Values of card expressions, as adaptive-expressions understands them: written, compared and reckoned with."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ringback.templates.budget import RenderError, check_length, kept_small


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
    if all(is_number(operand) for operand in operands):
        return kept_small(sum(operands))
    for operand in operands:
        if not is_number(operand) and not isinstance(operand, str):
            raise RenderError(f"+ is for numbers and strings: {shown(operand)} is neither.")
    return joined(*operands)


def subtract(*operands: Any) -> Any:
    """The first less the others."""
    found, *others = numbers_of("-", operands)
    return found - sum(others)


def multiply(*operands: Any) -> Any:
    """The product."""
    found = 1
    for operand in numbers_of("*", operands):
        found = kept_small(found * operand)
    return found


def divide(*operands: Any) -> Any:
    """Rounded down between whole numbers."""
    found, *others = numbers_of("/", operands)
    for operand in others:
        if operand == 0:
            raise RenderError("A number is divided by 0.")
        whole = iswhole_of(found) and iswhole_of(operand)
        found = int(found) // int(operand) if whole else found / operand
    return found


def modulo(left: Any, right: Any) -> Any:
    """The rest, with the sign of the left side."""
    numbers_of("%", (left, right))
    if right == 0:
        raise RenderError("A number is divided by 0.")
    found = math.fmod(left, right)
    return int(found) if iswhole_of(left) and iswhole_of(right) else found


def power(base: Any, exponent: Any) -> Any:
    """The base to the exponent, within reason."""
    numbers_of("^", (base, exponent))
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
        if is_number(left) != is_number(right) or isinstance(left, str) != isinstance(right, str):
            raise RenderError(f"{shown(left)} and {shown(right)} cannot be compared.")
        try:
            return bool(meaning[sign](left, right))
        except TypeError:
            raise RenderError(f"{shown(left)} and {shown(right)} cannot be compared.") from None

    return compared


def joined(*operands: Any) -> str:
    """Any values as one string."""
    texts = [written(operand) for operand in operands]
    check_length(sum(map(len, texts)))
    return "".join(texts)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def iswhole_of(value: Any) -> bool:
    return isinstance(value, int) or float(value).is_integer()


def numbers_of(name: str, values: Any) -> list[Any]:
    for value in values:
        if not is_number(value):
            raise RenderError(f"{name} is for numbers: {shown(value)} is none.")
    return list(values)


def whole_of(name: str, value: Any) -> int:
    if not is_number(value) or not iswhole_of(value):
        raise RenderError(f"{name} needs a whole number: {shown(value)} is none.")
    return int(value)


def shown(value: Any) -> str:
    return "a missing value" if value is MISSING else repr(value)[:60]
