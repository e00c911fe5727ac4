"""The benchmarks in `bench/`, by name."""

from __future__ import annotations

import ast
from pathlib import Path

from local.dev.errors import DevError
from local.dev.paths import ROOT

# A module cannot be called by a keyword.
_NAMES = {"import_time": "import"}


def known(folder: Path = ROOT / "bench") -> dict[str, tuple[str, str]]:
    """Name of each benchmark: its module and what it measures."""
    return {
        _NAMES.get(file.stem, file.stem): (f"bench.{file.stem}", _summary(file))
        for file in sorted(folder.glob("*.py"))
        if "__main__" in file.read_text("utf-8")
    }


def check(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in known():
        asked = f"There is no benchmark {arguments[0]!r}. " if arguments else ""
        lines = [f"  {name:<12} {summary}" for name, (_, summary) in known().items()]
        raise DevError("\n".join([f"{asked}Give one of these names: dev.py bench NAME", *lines]))


def module_of(name: str) -> str:
    return known()[name][0]


def _summary(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n")[0]
