import io
import tarfile

import pytest

from local.channel import webchat


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm: `npm.script(text)` writes what it does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def script(text):
        program = folder / "npm"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    return script


def package(path, name="package/dist/webchat.js"):
    with tarfile.open(path, "w:gz") as archive:
        for member, data in ((name, b"the bundle"), ("package/dist/other.js", b"x")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_only_the_bundle_is_kept(tmp_path, npm, capsys):
    package(tmp_path / "it.tgz")
    npm(f'while [ "$1" != --pack-destination ]; do shift; done; cp {tmp_path}/it.tgz "$2/"')
    folder = tmp_path / "webchat"
    assert webchat.main(["fetch", "--into", str(folder)]) == 0
    assert [path.name for path in folder.iterdir()] == [webchat.FILE]
    assert (folder / webchat.FILE).read_bytes() == b"the bundle"
    assert "fetching" in capsys.readouterr().out
    npm("exit 9")
    assert webchat.main(["fetch", "--into", str(folder)]) == 0


def test_without_npm_the_status_is_3_and_the_advice_clear(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert webchat.main(["fetch", "--into", str(tmp_path / "w")]) == 3
    assert "Install Node.js" in capsys.readouterr().err


def test_npm_that_fails_is_status_1_with_its_words(tmp_path, npm, capsys):
    npm("echo no network >&2; exit 1")
    assert webchat.main(["fetch", "--into", str(tmp_path / "w")]) == 1
    assert "no network" in capsys.readouterr().err
    assert not webchat.is_fetched(tmp_path / "w")


@pytest.mark.parametrize("content", ["wrong-name", "no archive"])
def test_a_package_of_another_shape_leaves_nothing(tmp_path, npm, content):
    if content == "wrong-name":
        package(tmp_path / "it.tgz", "package/webchat.js")
    else:
        (tmp_path / "it.tgz").write_bytes(b"junk")
    npm(f'while [ "$1" != --pack-destination ]; do shift; done; cp {tmp_path}/it.tgz "$2/"')
    assert webchat.main(["fetch", "--into", str(tmp_path / "w")]) == 1
    assert list((tmp_path / "w").iterdir()) == []
