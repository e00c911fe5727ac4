"""`long_operation`: runs one operation of the catalogue to its end, and sees that the user hears of it."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import msgspec

from orchestrators.operation_context import UNEXPECTED, DurableOp
from ringback.bot import messages
from ringback.ids import short_id
from ringback.operations.catalogue import CATALOGUE, find
from ringback.operations.operation import (
    Operation,
    OperationCancelledError,
    OperationFailedError,
    OperationStart,
    Result,
    Steps,
)

bp = df.Blueprint()
# The last word to the user outlives an outage of the tables of about an hour.
FINISH_RETRY = df.RetryOptions(5_000, 700)


@bp.orchestration_trigger(context_name="context")
def long_operation(context: df.DurableOrchestrationContext) -> Steps:
    """Input: OperationStart. Output: {"state": "succeeded", "result": {text, data}} or {"state": "cancelled"}.

    A failed operation tells the user, then fails the instance with the same reason.
    """
    start = msgspec.convert(context.get_input(), OperationStart)
    operation = find(start.operation)
    op = DurableOp(context, start, operation)
    label = short_id(op.id)
    try:
        result = yield from _result(op, operation)
    except OperationCancelledError:
        op.show(state="cancelled", text="cancelled")
        yield from op.refresh()
        content = messages.cancelled(operation, op.id, label, CATALOGUE)
        yield _finish(context, "cancelled", "It was cancelled.", content)
        return {"state": "cancelled"}
    except OperationFailedError as error:
        reason = error.reason
        op.show(state="failed", text=reason)
        yield from op.refresh()
        yield _finish(context, "failed", reason, messages.failed(operation, op.id, label, reason, CATALOGUE))
        raise
    op.show(state="succeeded", percent=100, text="done")
    yield from op.refresh()
    yield _finish(context, "succeeded", result.text, messages.succeeded(operation, op.id, result, CATALOGUE))
    return {"state": "succeeded", "result": {"text": result.text, "data": result.data}}


def _result(op: DurableOp, operation: Operation) -> Steps:
    """The operation's result; whatever it raises by mistake is a failure that the user hears of too."""
    try:
        result = yield from operation.run(op)
    except (OperationCancelledError, OperationFailedError):
        raise
    except Exception as error:  # an operation is other people's code
        raise OperationFailedError(UNEXPECTED, f"{type(error).__name__}: {error}") from error
    return result if isinstance(result, Result) else Result(text=str(result), data=result)


def _finish(context: df.DurableOrchestrationContext, state: str, text: str, content: dict[str, Any]) -> Any:
    payload = {"operation_id": context.instance_id, "state": state, "text": text, "content": content}
    return context.call_activity_with_retry("finish_operation", FINISH_RETRY, payload)
