"""What another system posts about its work, read in every shape that it may have."""

from __future__ import annotations

import re
from typing import Any

# Digits of ASCII alone: Python counts others as digits too, and then cannot read them.
PERCENT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%?")


def read_progress(value: Any) -> tuple[int | None, str | None]:
    """(percent, text) of a posted progress: a number, a text, or an object with percent and text."""
    if isinstance(value, dict):
        percent = read_progress(value.get("percent"))[0]
        return percent, value.get("text") if isinstance(value.get("text"), str) else None
    if isinstance(value, str):
        number = PERCENT.fullmatch(value.strip())
        return read_progress(float(number[1])) if number else (None, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124  NaN
        return int(max(0, min(100, value))), None
    return None, None
