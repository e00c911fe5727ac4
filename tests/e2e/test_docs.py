"""docs/add-an-operation.md, followed word for word in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.directline import Chat
from tests.e2e.stack import ROOT, Stack

STEP = re.compile(r"^\*\*\d\.\*\* `([\w/]+\.py)`.*?```python\n(.*?)```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's files as git knows them, on the environment that runs this test."""
    copy = tmp_path / "project"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def test_an_operation_is_added_as_the_page_says(request: pytest.FixtureRequest, project: Path, tmp_path: Path):
    if request.config.getoption("--host"):
        pytest.skip("changes the app: only for `dev.py up`")
    text = (project / "docs" / "add-an-operation.md").read_text("utf-8")
    steps = STEP.findall(text)
    assert [name for name, _ in steps] == ["ringback/operations/count_words.py", "activities/count_words.py"]
    for name, code in steps:
        (project / name).write_text(code, "utf-8")
    catalogue = project / "ringback" / "operations" / "catalogue.py"
    edit(catalogue, "(ANALYZE_FILE,", "(COUNT_WORDS, ANALYZE_FILE,")
    edit(catalogue, "\nCATALOGUE", "\nfrom ringback.operations.count_words import COUNT_WORDS\n\nCATALOGUE")
    root = project / "function_app.py"
    edit(root, "import activities.delivery\n", "import activities.count_words\nimport activities.delivery\n")
    edit(root, "    activities.delivery,\n", "    activities.count_words,\n    activities.delivery,\n")
    stack = Stack(tmp_path / "state", root=project)
    try:
        stack.start()
        Chat(stack.channel, "dl_reader").ask("count-words to be or not to be", "Count words", "6 words.")
    finally:
        stack.kill()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")
