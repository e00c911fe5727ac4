"""Orchestration versions: which instances may run under host.json's defaultVersion."""

from __future__ import annotations


def admits(version: str | None, current: str | None, strategy: str) -> bool:
    """May an instance of `version` run on a host whose defaultVersion is `current`?

    `strategy` is versionMatchStrategy: None | Strict | CurrentOrOlder. An instance without a version always may, but
    for Strict.
    """
    if strategy == "None":
        return True
    if strategy == "Strict":
        return (version or "") == (current or "")
    return not version or (bool(current) and _ordered(version) <= _ordered(current or ""))


def refusal(version: str | None, current: str | None) -> str:
    own = f"host.json's defaultVersion is {current}" if current else "host.json names no defaultVersion"
    return f"its version is '{version or ''}', and {own} (versionMatchStrategy)."


def _ordered(version: str) -> tuple[tuple[int, int, str], ...]:
    """Dotted parts, numbers by value and before words."""
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in version.split("."))
