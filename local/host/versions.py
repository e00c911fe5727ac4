"""Orchestration versions: which instances may run under host.json's defaultVersion, and what becomes of the others."""

from __future__ import annotations

import functools
import re

NUMBERS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")
MISMATCH = "VersionMismatch: Orchestration version did not comply with Worker Versioning"
"""The output of an instance that fails for its version, in the words of the real host."""


def admits(version: str | None, current: str | None, strategy: str) -> bool:
    """May an instance of `version` run on a host whose defaultVersion is `current`?

    `strategy` is versionMatchStrategy: None | Strict | CurrentOrOlder. An instance without a version always may, but
    for Strict.
    """
    if strategy == "None":
        return True
    if strategy == "Strict":
        return (version or "") == (current or "")
    return _is_at_most(version or "", current or "")


def refusal(version: str | None, current: str | None, strategy: str) -> str:
    """Why an instance may not run."""
    own = f"host.json's defaultVersion is '{current}'" if current else "host.json names no defaultVersion"
    return f"its version is '{version or ''}', and {own} (versionMatchStrategy {strategy})"


@functools.lru_cache
def _is_at_most(version: str, other: str) -> bool:
    """As the real host compares: numbers by value if both have two to four of them, anything else as text. So "10" is
    older than "9", and "1.0" older than "1.0.0".
    """
    if not version.strip() or not other.strip():
        return not version.strip()
    if NUMBERS.fullmatch(version.strip()) and NUMBERS.fullmatch(other.strip()):
        return [int(n) for n in version.split(".")] <= [int(n) for n in other.split(".")]
    return version.upper() <= other.upper()
