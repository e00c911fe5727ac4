"""`retention`: one pass that takes away what ended long ago, page by page; its history remembers where it is."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import msgspec

from ringback import retention as passes
from ringback.operations.operation import Steps

bp = df.Blueprint()
# An outage of the tables that lasts longer ends the pass; the next day's begins anew.
TROUBLE = df.RetryOptions(5_000, 60)
# A longer history is slow to replay.
PAGES = 50


@bp.orchestration_trigger(context_name="context")
def retention(context: df.DurableOrchestrationContext) -> Steps:
    """Input: Kept, or the Pass to go on with. Output: {"endedBefore", "contentBefore", "removed": {kind: n}}."""
    return (yield from run(context))


def run(context: df.DurableOrchestrationContext) -> Steps:
    """The pass from where its input is, with a new history each PAGES pages."""
    given: dict[str, Any] = context.get_input()
    if "stage" in given:
        done = msgspec.convert(given, passes.Pass)
    else:
        done = passes.begin(msgspec.convert(given, passes.Kept), context.current_utc_datetime)
    for _ in range(PAGES):
        raw = yield context.call_activity_with_retry("remove_old", TROUBLE, msgspec.to_builtins(done))
        done = msgspec.convert(raw, passes.Pass)
        if done.stage == passes.ENDED:
            return msgspec.to_builtins(passes.told(done))
    context.continue_as_new(msgspec.to_builtins(done))
    return None
