from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from local.dev import environment, installing
from local.dev.errors import DevError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty project whose virtual environment is this test's own; `installed` collects what would be installed."""
    names = {"RUN_REQUIREMENTS": "requirements.txt", "DEV_REQUIREMENTS": "requirements-dev.txt"}
    for name, file in names.items():
        (tmp_path / file).write_text("any==1\n")
        monkeypatch.setattr(environment, name, tmp_path / file)
    venv = tmp_path / ".venv"
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "VENV_PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(environment, "_STAMP", venv / ".installed.json")
    monkeypatch.setattr(environment, "STATE", tmp_path / ".local")
    monkeypatch.setattr(environment.os, "execv", lambda *_: None)
    installed: list[str] = []
    monkeypatch.setattr(environment, "install", lambda _python, file: installed.append(file.name))
    return tmp_path, installed


@pytest.fixture
def ready_made(checkout, monkeypatch):
    """The environment is there already: making one takes seconds."""
    folder, _ = checkout
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(environment, "_make", lambda: None)


@pytest.mark.parametrize("version", [(3, 9), (3, 13), (3, 8), (4, 0)])
def test_a_python_that_will_not_do_is_told_apart(monkeypatch, version):
    monkeypatch.setattr(dev.sys, "version_info", (*version, 1, "final", 0))
    monkeypatch.setattr(dev.shutil, "which", lambda name: name if name == "python3.11" else None)
    said = dev.complaint()

    assert "3.10, 3.11 or 3.12" in said
    assert f"this is {version[0]}.{version[1]}" in said
    assert "python3.11 dev.py" in said


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
def test_a_python_that_will_do(monkeypatch, version):
    monkeypatch.setattr(dev.sys, "version_info", (*version, 1, "final", 0))

    assert dev.complaint() is None


def test_windows_is_told_apart(monkeypatch):
    monkeypatch.setattr(dev.os, "name", "nt")
    said = dev.complaint()
    monkeypatch.undo()

    assert "WSL" in said


@pytest.mark.parametrize("version", ["3.7", "3.8", "3.9", "3.13"])
def test_an_unsupported_interpreter_reads_dev_py_far_enough_to_say_so(version):
    python = shutil.which(f"python{version}")
    works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    if not works:
        candidates = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        if not candidates:
            pytest.skip(f"no Python {version} here")
        python = candidates[0]
    done = subprocess.run([python, ROOT / "dev.py", "up"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("Ringback runs on Python 3.10, 3.11 or 3.12")
    assert done.stderr.count("\n") == 1


def test_the_environment_is_made_and_filled_once(checkout):
    folder, installed = checkout
    for _ in range(2):
        environment.enter(folder / "requirements.txt", ["up"])

    assert installed == ["requirements.txt"]
    done = subprocess.run([folder / ".venv/bin/python", "-m", "pip", "--version"], capture_output=True, check=False)
    assert done.returncode == 0


def test_it_is_filled_again_when_the_requirements_change(checkout, ready_made):
    folder, installed = checkout
    environment.enter(folder / "requirements-dev.txt", ["test"])
    environment.enter(folder / "requirements.txt", ["up"])
    assert installed == ["requirements-dev.txt"]

    (folder / "requirements.txt").write_text("any==2\n")
    environment.enter(folder / "requirements.txt", ["up"])
    environment.enter(folder / "requirements-dev.txt", ["test"])
    assert installed == ["requirements-dev.txt", "requirements.txt", "requirements-dev.txt"]


@pytest.mark.parametrize("damage", ["no python", "no pip"])
def test_a_damaged_environment_is_mended(checkout, damage):
    folder, installed = checkout
    environment.enter(folder / "requirements.txt", ["up"])
    venv = folder / ".venv"
    if damage == "no python":
        (venv / "bin" / "python").unlink()
    else:
        (venv / ".installed.json").unlink()
        shutil.rmtree(next(venv.glob("lib/*/site-packages/pip")))
    environment.enter(folder / "requirements.txt", ["up"])

    assert len(installed) == 2
    assert (
        subprocess.run([venv / "bin/python", "-m", "pip", "--version"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("stamp", [None, "{", "[]"])
def test_without_a_stamp_it_is_filled_again(checkout, ready_made, stamp):
    folder, installed = checkout
    environment.enter(folder / "requirements.txt", ["up"])
    file = folder / ".venv" / ".installed.json"
    file.unlink()
    if stamp:
        file.write_text(stamp)
    environment.enter(folder / "requirements.txt", ["up"])

    assert len(installed) == 2


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_names_the_package_of_debian(checkout, monkeypatch, missing):
    folder, installed = checkout
    found = environment.importlib.util.find_spec
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(DevError) as refusal:
        environment.enter(folder / "requirements.txt", ["up"])

    version = "{}.{}".format(*sys.version_info[:2])
    assert f"apt install python{version}-venv" in str(refusal.value)
    assert missing in str(refusal.value)
    assert not installed


def test_going_on_keeps_the_process(checkout, ready_made, monkeypatch):
    folder, _ = checkout
    replaced: list[tuple] = []
    monkeypatch.setattr(environment.os, "execv", lambda *given: replaced.append(given))
    environment.enter(folder / "requirements.txt", ["up", "--port", "1"])

    python = folder / ".venv" / "bin" / "python"
    assert replaced == [(python, [str(python), str(folder / "dev.py"), "up", "--port", "1"])]


def test_what_pip_says_is_shown_when_it_fails(tmp_path, capsys):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# comment\n./not-there.whl\n")
    with pytest.raises(DevError) as refusal:
        installing.install(Path(sys.executable), requirements)

    assert refusal.value.code == 1
    assert "not-there.whl" in str(refusal.value)
    assert "PIP_INDEX_URL" in str(refusal.value)
    assert "Installing requirements.txt (1 packages" in capsys.readouterr().out


def test_the_stamp_of_this_project_covers_what_dev_includes(tmp_path, monkeypatch):
    for name in ("RUN_REQUIREMENTS", "DEV_REQUIREMENTS"):
        monkeypatch.setattr(environment, name, tmp_path / name)
        (tmp_path / name).write_text("a")
    before = environment.fingerprint(tmp_path / "DEV_REQUIREMENTS")
    (tmp_path / "RUN_REQUIREMENTS").write_text("b")

    assert environment.fingerprint(tmp_path / "DEV_REQUIREMENTS") != before
