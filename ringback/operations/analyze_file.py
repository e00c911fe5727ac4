"""`analyze-file`: statistics of a CSV or text file that the user sent."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from ringback.files.summary import Summary
from ringback.operations.file_report import report
from ringback.operations.operation import Op, Operation, Result, Retry, Span, Steps

WIDTH = 8
PATIENT = Retry(first_interval=timedelta(seconds=2), attempts=5)


def run(op: Op) -> Steps:
    """Store the file, analyse its chunks side by side, merge, and forget the file whatever happened."""
    try:
        summary = yield from _summary(op)
    except Exception:
        # Not `finally`: the engine drops a waiting generator at every turn, and one that yields then is an error.
        yield from op.cleanup("forget_file")
        raise
    yield from op.cleanup("forget_file")
    text, card = report(str(op.input.get("name") or "The file"), summary)
    return Result(text=text, card=card, data=msgspec.to_builtins(summary))


def _summary(op: Op) -> Steps:
    op.progress(5, "fetching the file")
    received = yield from op.step("receive_file", dict(op.input), retry=PATIENT)
    chunks = [{"index": index} for index in range(received["chunks"])]
    span = Span(15, 85, "reading its rows" if received["kind"] == "table" else "reading its text")
    yield from op.fan_out("analyze_chunk", chunks, width=WIDTH, retry=PATIENT, span=span)
    op.progress(90, "putting it all together")
    return msgspec.convert((yield from op.step("summarize_file", retry=PATIENT)), Summary)


ANALYZE_FILE = Operation(
    name="analyze-file",
    title="Analyze file",
    description="Send a CSV or text file: you get rows, types, missing values, means and what occurs most.",
    run=run,
    activities=("receive_file", "analyze_chunk", "summarize_file", "forget_file"),
    keywords=("analyze", "analyse", "analysis", "csv", "file", "statistics", "stats", "spreadsheet", "table"),
    takes_file=True,
    deadline=timedelta(hours=6),
)
