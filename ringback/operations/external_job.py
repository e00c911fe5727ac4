"""`external-job`: another system does the work and answers when it is done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from ringback.operations.operation import Op, Operation, Result, Retry, Steps

EVENT = "external-job-done"
WAIT = timedelta(days=7)
MAX_TEXT = 2_000


def run(op: Op) -> Steps:
    """Hand the job over, wait for the answer, and bring it home."""
    op.progress(5, "handing the job over")
    yield from op.step(
        "request_external_job",
        {"event": EVENT, "input": op.input},
        retry=Retry(first_interval=timedelta(seconds=2), attempts=4),
    )
    op.progress(10, "waiting for the other system")
    answer = yield from op.external(EVENT, timeout=WAIT)
    return Result(text=f"The external job is done: {_text(answer)}", data=answer)


def _text(answer: Any) -> str:
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


EXTERNAL_JOB = Operation(
    name="external-job",
    title="External job",
    description="Hands work to another system and rings you back when that system answers.",
    run=run,
    activities=("request_external_job",),
    keywords=("external", "job", "outside", "system"),
    deadline=timedelta(days=8),
)
