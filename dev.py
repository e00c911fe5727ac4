"""Ringback's one developer command; it needs only Python: `python3 dev.py --help`."""

from __future__ import annotations

import os
import shutil
import sys

SUPPORTED = ((3, 10), (3, 11), (3, 12))


def complaint() -> str | None:
    """What to tell somebody whose system or Python will not do; None when they will."""
    if os.name != "posix":
        return "dev.py runs on Linux and macOS; on Windows use it inside WSL (https://aka.ms/wsl)"
    if sys.version_info[:2] in SUPPORTED:
        return None
    names = [f"python{major}.{minor}" for major, minor in reversed(SUPPORTED)]
    found = [name for name in names if shutil.which(name)]
    present = "{}.{}".format(*sys.version_info[:2])
    hint = f"try: {found[0]} dev.py" if found else "install one of them from https://www.python.org/downloads/"
    return f"Ringback runs on Python 3.10, 3.11 or 3.12, as Azure Functions does, and this is {present}; {hint}"


def main() -> int:
    refusal = complaint()
    if refusal:
        print(refusal, file=sys.stderr)
        return 2
    # Not before the check: the rest may use what an older Python cannot even read.
    from local.dev.cli import run  # noqa: PLC0415

    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
