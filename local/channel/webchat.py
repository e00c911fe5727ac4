"""`python -m local.channel.webchat fetch --into DIR`: Web Chat's bundle, from npm at set-up, never committed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

VERSION = "4.18.1"
PACKAGE = f"botframework-webchat@{VERSION}"
MEMBER = "package/dist/webchat.js"
FILE = f"webchat-{VERSION}.js"
SECONDS = 600
NO_NPM = (
    "npm is not installed, so the Web Chat page cannot be fetched. Install Node.js (https://nodejs.org), then run this"
    " again. Until then chat in the terminal: python3 dev.py chat"
)


class WebChatError(Exception):
    """The bundle could not be fetched; the message says what to do."""


class NpmMissingError(WebChatError):
    """No npm on this machine."""


def is_fetched(folder: Path) -> bool:
    return (folder / FILE).is_file()


def fetch(folder: Path, say: Callable[[str], None]) -> Path:
    """Put webchat.js of the pinned version into `folder` unless it is there; returns its path. Raises WebChatError."""
    target = folder / FILE
    if target.is_file():
        say(f"Web Chat {VERSION} is in {target}")
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissingError(NO_NPM)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        say(f"fetching {PACKAGE} from npm (7 MB) …")
        archive = _pack(npm, Path(scratch))
        say("unpacking webchat.js (3.9 MB) …")
        unpacked = Path(scratch) / FILE
        _extract(archive, unpacked)
        unpacked.replace(target)
    say(f"Web Chat {VERSION} is in {target}")
    return target


def _pack(npm: str, folder: Path) -> Path:
    """The package's archive as the registry serves it: nothing is installed, no script of it runs."""
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise WebChatError(f"npm did not bring {PACKAGE} within {SECONDS} s: is the network there?") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise WebChatError(f"npm could not bring {PACKAGE}: " + " / ".join(lines[-3:]))
    return archives[0]


def _extract(archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive) as package:
            source = package.extractfile(MEMBER)
            if source is None:
                raise WebChatError(f"{PACKAGE} holds no {MEMBER}")
            with target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (KeyError, tarfile.TarError) as error:
        raise WebChatError(f"{PACKAGE} is not as expected: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.channel.webchat", description=__doc__)
    parser.add_argument("action", choices=["fetch"])
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="folder for the bundle")
    chosen = parser.parse_args(arguments)
    try:
        fetch(chosen.into, lambda line: print(line, flush=True))
    except NpmMissingError as error:
        print(error, file=sys.stderr)
        return 3
    except WebChatError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
