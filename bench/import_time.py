"""Import of function_app beside that of the Functions SDKs alone (budget: 2.5 times)."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 2.5
PEER = "import azure.functions, azure.durable_functions"
OURS = "import function_app"
# The clock runs inside, so that the interpreter's own start is in neither figure.
_TIMED = "import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench import", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=9, help="fresh interpreters for each figure (default: %(default)s)"
    )
    rounds = parser.parse_args().rounds
    environment = {**sample_values(), **os.environ}
    for statement in (PEER, OURS):
        measure(statement, environment)  # writes the .pyc files
    # Alternating, so that whatever else the machine does falls on both.
    samples = [(measure(PEER, environment), measure(OURS, environment)) for _ in range(rounds)]
    peer, ours = (statistics.median(column) for column in zip(*samples, strict=True))
    ratio = ours / peer
    print(f"{PEER:<50} {peer * 1000:7.0f} ms")
    print(f"{OURS:<50} {ours * 1000:7.0f} ms")
    print(f"ratio {ratio:.2f} (budget {BUDGET}); medians of {rounds} fresh interpreters with warm .pyc files")
    return 0 if ratio <= BUDGET else 1


def sample_values() -> dict[str, str]:
    """What function_app needs to be imported, and no more."""
    content = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))
    values: dict[str, str] = content["Values"]
    return values


def measure(statement: str, environment: dict[str, str]) -> float:
    """Seconds that a statement takes in a fresh interpreter."""
    command = [sys.executable, "-c", _TIMED.format(statement=statement)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{statement} failed:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
