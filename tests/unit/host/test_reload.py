"""What `--reload` watches, and that it neither dies of a file that vanishes nor loads an app that is being ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.host import app_loader, reload
from local.host.log import Log


def test_a_file_that_vanishes_while_it_is_looked_at_is_let_pass(tmp_path: Path, monkeypatch) -> None:
    for name in ("kept.py", "vanishing.py", "last.py"):
        (tmp_path / name).write_text("")
    files = reload._files

    def vanishing(app: Path) -> Iterator[Path]:
        for path in sorted(files(app)):
            if path.name == "vanishing.py":
                path.unlink()
            yield path

    monkeypatch.setattr(reload, "_files", vanishing)
    assert sorted(path.name for path in reload.snapshot(tmp_path)) == ["kept.py", "last.py"]


def test_what_is_watched(tmp_path: Path) -> None:
    for name in ("a.py", "host.json", "local.settings.json", "notes.txt", "sub/b.py", ".venv/c.py", "__pycache__/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    watched = {str(path.relative_to(tmp_path)) for path in reload.snapshot(tmp_path)}
    assert watched == {"a.py", "host.json", "local.settings.json", "sub/b.py"}


async def test_a_host_that_is_told_to_end_as_a_change_is_seen_loads_nothing(tmp_path: Path, monkeypatch) -> None:
    loaded: list[Path] = []

    async def replace(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(app_loader, "load", loaded.append)
    reloader = reload.Reloader(tmp_path, Log(), replace)
    task = asyncio.ensure_future(reloader._changed([tmp_path / "function_app.py"]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loaded == []
