"""The arrows of the house that import-linter cannot draw: it knows neither subpackages of others nor single modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ["bot_http", "triggers", "orchestrators", "activities", "entities"]
FORBIDDEN = {
    "ringback": ["azure.functions", "azure.durable_functions", "function_app"],
    "function_app.py": ["local", "tests", "bench"],
    "local": ["function_app", "tests", "bench"],
    **{room: ["function_app", "tests", "bench"] for room in ROOMS},
}


def sources(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("place", FORBIDDEN)
def test_nothing_imports_against_the_arrows(place):
    found = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources(place)
        for name in imports(file)
        for module in FORBIDDEN[place]
        if f"{name}.".startswith(f"{module}.")
    ]

    assert sources(place)
    assert found == []
