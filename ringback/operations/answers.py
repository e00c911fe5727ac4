"""What another system posts about its work, read in every shape that it may have."""

from __future__ import annotations

from typing import Any


def read_progress(value: Any) -> tuple[int | None, str | None]:
    """(percent, text) of a posted progress: a number, a text, or an object with percent and text."""
    if isinstance(value, dict):
        percent = read_progress(value.get("percent"))[0]
        return percent, value.get("text") if isinstance(value.get("text"), str) else None
    if isinstance(value, str):
        number = value.strip().rstrip("%").strip()
        return (int(float(number)), None) if number.replace(".", "", 1).isdigit() else (None, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124  NaN
        return int(max(0, min(100, value))), None
    return None, None
