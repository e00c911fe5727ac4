"""`approval-demo`: nothing happens until a human says so."""

from __future__ import annotations

from datetime import timedelta

from ringback.operations.operation import Decision, Op, Operation, OperationFailedError, Result, Steps

WAIT = timedelta(minutes=10)
MAX_WAIT = timedelta(days=30)


def run(op: Op) -> Steps:
    """Ask, wait, and say what was decided; `input` may hold `question` and `timeoutSeconds`."""
    subject = str(op.input.get("question") or op.input.get("text") or "Shall I go ahead?")
    op.progress(10, "asking for approval")
    decision: Decision = yield from op.approval(subject, timeout=_timeout(op.input.get("timeoutSeconds")))
    texts = {
        "approved": "Approved. I went ahead.",
        "rejected": "Rejected. Nothing was done.",
        "timed_out": "Nobody decided in time, so nothing was done.",
    }
    return Result(text=texts[decision.outcome], data={"decision": decision.outcome, "by": decision.by})


def _timeout(seconds: object) -> timedelta:
    if seconds is None:
        return WAIT
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise OperationFailedError("timeoutSeconds must be a number of seconds above zero.")
    return timedelta(seconds=min(seconds, MAX_WAIT.total_seconds()))


APPROVAL_DEMO = Operation(
    name="approval-demo",
    title="Approval demo",
    description="Asks you to approve or reject something, and waits ten minutes for the answer.",
    run=run,
    activities=(),
    keywords=("approval", "approve", "permission", "sign", "signoff", "confirm"),
    deadline=timedelta(days=31),
)
