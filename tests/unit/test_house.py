"""The house rules: what is registered, what an import costs, and which way the arrows run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrators.operation_context import names_called
from ringback.operations.catalogue import CATALOGUE
from ringback.operations.desk import DELIVER, ORCHESTRATOR

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("functions.json")
# Each costs more than 50 ms or drags in what the app does not need to start.
HEAVY = ("openai", "azure.communication", "azure.monitor", "pydantic", "azure.identity", "botbuilder")
LISTING = """
import json, function_app
print(json.dumps({f.get_function_name(): f.get_raw_bindings() for f in function_app.app.get_functions()}))
"""


def in_fresh_python(code: str) -> str:
    """Runs with nothing but the Values of local.settings.sample.json in its environment."""
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**values, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def functions() -> dict[str, list[dict]]:
    raw = json.loads(in_fresh_python(LISTING))
    return {name: [json.loads(binding) for binding in bindings] for name, bindings in raw.items()}


def test_the_registered_functions_are_those_of_the_snapshot(functions):
    """After a wanted change: delete functions.json, run this test, and read what it wrote."""
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(json.dumps(functions, indent=1, sort_keys=True) + "\n")
        pytest.fail(f"{SNAPSHOT.name} was missing and is written anew: look at it and commit it")
    assert functions == json.loads(SNAPSHOT.read_text())


def test_every_name_that_can_be_called_is_registered(functions):
    """An unknown name hangs an instance for ever, without a word."""

    def names(kind: str) -> set[str]:
        return {
            name for name, bindings in functions.items() if bindings[-1]["type"] == kind or bindings[0]["type"] == kind
        }

    fixed = {"finish_operation", "send_message", "hold_delivery", "close_delivery", "remove_old"}
    called = {*names_called(CATALOGUE), *fixed}
    assert called <= names("activityTrigger")
    assert {ORCHESTRATOR, DELIVER, "retention"} <= names("orchestrationTrigger")
    assert "user" in names("entityTrigger")


def test_importing_the_app_loads_nothing_heavy():
    loaded = in_fresh_python("import sys, function_app; print('\\n'.join(sys.modules))").split()
    assert not [name for name in loaded if name.startswith(HEAVY)]


def test_an_operation_never_yields_in_a_finally():
    """The engine drops a waiting generator at every turn: a yield in its `finally` is an error then."""
    import ast

    for path in [*(ROOT / "ringback" / "operations").glob("*.py"), *(ROOT / "orchestrators").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Try):
                inner = [found for line in node.finalbody for found in ast.walk(line)]
                assert not [found for found in inner if isinstance(found, (ast.Yield, ast.YieldFrom))], path


# Whoever asks these has no key: the channel service proves itself with its token, a person with a signed link.
OPEN_DOORS = {"messages", "operation_page", "operation_page_state", "health"}


def test_only_these_doors_are_open_without_a_key(functions):
    levels = {
        name: binding["authLevel"]
        for name, bindings in functions.items()
        for binding in bindings
        if "authLevel" in binding
    }
    assert {name for name, level in levels.items() if level == "ANONYMOUS"} == OPEN_DOORS
    assert set(levels.values()) == {"ANONYMOUS", "FUNCTION"}


def test_a_virtual_environment_that_is_a_link_is_ignored_as_well(tmp_path):
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    (tmp_path / ".venv").symlink_to(tmp_path)
    git = ("git", "-c", f"safe.directory={tmp_path}", "-C", str(tmp_path))
    subprocess.run([*git, "init", "-q"], check=True)
    done = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["??", ".gitignore"]
