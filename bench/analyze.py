"""What the statistics of analyze-file cost, beside the standard library's csv and statistics, and pandas if installed.

Run `python -m bench.analyze [--rows N]`. Every line is processor time, the best of three, for the same file of eight
columns; the means that each finds are compared first. pandas (`pip install pandas`) is no dependency of the app: its
line shows what its speed would cost in start-up time.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from ringback.files.parts import merge, pack, read_chunk, unpack
from ringback.files.splitting import plan_file
from ringback.files.summary import Summary, summarize_part

ROWS = 50_000
ROUNDS = 3
HEADER = ["id", "customer", "city", "amount", "quantity", "day", "paid", "comment"]
NUMBERS = ("id", "amount", "quantity")


def make_file(rows: int) -> bytes:
    """A CSV file with identifiers, names, decimals, dates, booleans, missing values and quoted text."""
    dice = random.Random(5)
    start = date(2020, 1, 1)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for number in range(1, rows + 1):
        writer.writerow(
            [
                number,
                f"Customer {dice.randrange(rows // 2)}",
                dice.choice(["Berlin", "Paris", "Rome", "Oslo"]),
                f"{dice.uniform(0, 1000):.2f}",
                dice.randrange(1, 50),
                (start + timedelta(dice.randrange(1500))).isoformat(),
                dice.choice(["true", "false", ""]),
                dice.choice(["fine", 'said "later", left', "two\nlines", "N/A"]),
            ]
        )
    return out.getvalue().encode()


def ours(raw: bytes) -> dict[str, str]:
    """Plan, every chunk by itself with its part packed for the table, and the merge."""
    summary = summarize(raw)
    return {column.name: column.mean or "" for column in summary.columns if column.name in NUMBERS}


def summarize(raw: bytes) -> Summary:
    data, plan = plan_file(raw, name="bench.csv")
    packed = [pack(read_chunk(data[chunk.start : chunk.end], plan)) for chunk in plan.chunks]
    return summarize_part(merge([unpack(part) for part in packed], plan), plan)


def standard_library(raw: bytes) -> dict[str, str]:
    """The same figures in one pass without types to find: the columns of numbers are known beforehand."""
    rows = csv.reader(io.StringIO(raw.decode(), newline=""))
    header = next(rows)
    means = {}
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        counts = Counter(cell for cell in cells if cell not in {"", "N/A"})
        counts.most_common(5)
        if name in NUMBERS:
            values = [float(cell) for cell in cells if cell]
            means[name] = f"{statistics.fmean(values):.2f}"
            statistics.stdev(values)
            min(values)
            max(values)
    return means


def with_pandas(raw: bytes) -> dict[str, str]:
    """The same figures by read_csv, describe and value_counts."""
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    frame = pd.read_csv(io.BytesIO(raw))
    described = frame.describe()
    frame.isna().sum()
    for name in frame.columns:
        frame[name].value_counts().head(5)
        frame[name].nunique()
    return {name: f"{described[name]['mean']:.2f}" for name in NUMBERS}


def processor_seconds(work: Callable[[bytes], object], raw: bytes) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        work(raw)
        best = min(best, time.process_time() - start)
    return best


def import_seconds(module: str) -> float:
    """How long a fresh interpreter takes to import a module, the best of some rounds."""
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(ROUNDS)
    ]
    return min(float(run.stdout) for run in runs)


def main() -> int:
    """Print the table; 1 when the means disagree."""
    parser = argparse.ArgumentParser(prog="dev.py bench analyze", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the file ({ROWS:,})")
    rows = parser.parse_args().rows
    raw = make_file(rows)
    peers = {"Ringback": (ours, "ringback.files.summary"), "csv + statistics": (standard_library, "csv, statistics")}
    if importlib.util.find_spec("pandas"):
        peers["pandas"] = (with_pandas, "pandas")
    print(f"{rows:,} rows, {len(HEADER)} columns, {len(raw) / 1e6:.1f} MB; processor time, best of {ROUNDS}")
    expected = ours(raw)
    for name, (work, modules) in peers.items():
        if work(raw) != expected:
            print(f"{name} finds other means: {work(raw)} instead of {expected}")
            return 1
        seconds = processor_seconds(work, raw)
        start_up = import_seconds(modules) * 1000
        print(f"{name:18} {seconds:6.2f} s {rows / seconds:12,.0f} rows/s   import {start_up:5.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
