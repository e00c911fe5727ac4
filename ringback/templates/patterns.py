"""Which regular expressions of a schema may run: those whose time cannot explode."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any

MAX_PATTERN = 200
MAX_MATCHED = 1_000
MAX_REPEATS = 2
# A repeat of at most so many turns counts as a literal.
SMALL = 10


def pattern_fault(pattern: str) -> str | None:
    """Why this pattern is refused, as the end of a sentence; None when it may run on MAX_MATCHED characters."""
    if len(pattern) > MAX_PATTERN:
        return f"is over {MAX_PATTERN} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
            tree = _parser().parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    try:
        repeats = _repeats(tree, inside=False)
    except ValueError as error:
        return str(error)
    if repeats > MAX_REPEATS:
        return f"repeats without bound more than {MAX_REPEATS} times, which can take for ever"
    return None


def _parser() -> Any:
    if sys.version_info >= (3, 11):
        return vars(re)["_parser"]
    import sre_parse  # noqa: PLC0415  the name that Python 3.10 has for it

    return sre_parse


def _repeats(tree: Any, *, inside: bool) -> int:
    """How many repeats there are; ValueError for one inside another, and for back references."""
    count = 0
    for operation, argument in tree:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            _, high, body = argument
            wide = int(high) > SMALL
            if inside:
                raise ValueError("has a repeat inside a repeat, which can take for ever")
            count += wide + _repeats(body, inside=inside or int(high) > 1)
        elif name == "GROUPREF" or name.startswith(("GROUPREF", "ASSERT")):
            raise ValueError("refers back or looks around, which is not supported")
        elif name == "SUBPATTERN":
            count += _repeats(argument[-1], inside=inside)
        elif name == "BRANCH" and inside:
            raise ValueError("has alternatives inside a repeat, which can take for ever")
        elif name == "BRANCH":
            count += sum(_repeats(branch, inside=inside) for branch in argument[1])
        elif name == "ATOMIC_GROUP":
            count += _repeats(argument, inside=inside)
    return count
