"""Settings files as the real host reads them: JSON that may hold comments and trailing commas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
STRING_OR_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


class SettingsError(Exception):
    """A settings file or an app setting cannot be used; the message says which, where and why."""


def read(path: Path, *, numbers_as_text: bool = False) -> dict[str, Any]:
    """The object in a file; with `numbers_as_text`, numbers as they are written there. Raises SettingsError."""
    numbers: dict[str, Any] = {"parse_int": str, "parse_float": str} if numbers_as_text else {}
    try:
        content = json.loads(_plain(path.read_text("utf-8-sig")), **numbers)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object.")
    return content


def _plain(text: str) -> str:
    """Without comments, on the same lines and in the same columns, so that errors still say where."""
    text = STRING_OR_COMMENT.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), text)
    return STRING_OR_TRAILING_COMMA.sub(lambda m: m[1] or " ", text)
