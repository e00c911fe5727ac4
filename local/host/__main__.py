"""`python -m local.host`, or `python path/to/local/host` from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from local.host.cli import main

if __name__ == "__main__":
    sys.exit(main())
