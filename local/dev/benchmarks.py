"""The benchmarks in `bench/`, by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from local.dev.errors import DevError
from local.dev.paths import ROOT

# By this a benchmark names itself in its own help; what only serves others has no such name.
_NAME = re.compile(r'prog="dev\.py bench ([a-z-]+)"')


def known(folder: Path = ROOT / "bench") -> dict[str, tuple[str, str]]:
    """Name of each benchmark: its module and what it measures."""
    return {
        found[1]: (f"bench.{file.stem}", _summary(source))
        for file in sorted(folder.glob("*.py"))
        if (found := _NAME.search(source := file.read_text("utf-8")))
    }


def check(arguments: list[str]) -> None:
    if arguments and arguments[0] in known():
        return
    lines = [f"  {name:<12} {summary}" for name, (_, summary) in known().items()]
    told = "\n".join(["Give one of these names: dev.py bench NAME", *lines])
    if arguments and arguments[0] in {"-h", "--help"}:
        print(told)
        raise SystemExit(0)
    raise DevError(f"There is no benchmark {arguments[0]!r}. {told}" if arguments else told)


def module_of(name: str) -> str:
    return known()[name][0]


def _summary(source: str) -> str:
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
