"""`user`: one entity a person, keyed by their user key; where and whether they may be written to.

Operations, each with its input: `gate` (call, a GateQuestion; answers a GateAnswer) and the signals `remember` (Heard),
`opt_out` and `opt_in` (Word), `consent` (Given), `prefer` (Wish), `register` (Registration), `channel_said` (Said),
`installed` (Installed), `erase` (Erasure). What they mean is in ringback/delivery/person.py and gate.py.
"""

from __future__ import annotations

import azure.durable_functions as df
import msgspec

from ringback.delivery import person
from ringback.delivery.gate import gate
from ringback.delivery.notification import GateQuestion
from ringback.settings import settings

bp = df.Blueprint()


@bp.entity_trigger(context_name="context")
def user(context: df.DurableEntityContext) -> None:
    """Hand the operation to its function and keep what it changed; one that raises changes nothing."""
    state, given = person.load(context.get_state(lambda: None)), context.get_input()
    answer = None
    if context.operation_name == "gate":
        answer = gate(state, msgspec.convert(given, GateQuestion), settings().opt_in_categories)
    else:
        person.perform(state, str(context.operation_name), given)
    context.set_state(msgspec.to_builtins(state))
    context.set_result(msgspec.to_builtins(answer))
