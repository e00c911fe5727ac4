"""Calling an orchestrator function: the trigger it receives, what its answer means."""

from __future__ import annotations

from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import failures, ids, jsontext
from local.host.execution import OrchestrationError
from local.host.functions import Function
from local.host.history import Event
from local.host.playback import Answer
from local.host.records import Instance
from local.host.services import Services
from local.host.sessions import Session, can_keep

PAYLOAD_END = (
    ',"upperSchemaVersion":1,"upperSchemaVersionNew":3,"longRunningTimerIntervalDuration":"3.00:00:00",'
    '"maximumShortTimerDuration":"6.00:00:00","defaultHttpAsyncRequestSleepTimeMillseconds":30000}'
)


def payload(instance: Instance, events: list[str], *, is_first: bool) -> str:
    """The trigger's JSON. `events` are texts of events joined by commas."""
    return (
        f'{{"history":[{",".join(events)}],"input":{instance.input or "null"},'
        f'"instanceId":{jsontext.dumps(instance.id)},"isReplaying":{"false" if is_first else "true"},'
        f'"parentInstanceId":{jsontext.dumps(instance.parent_id)}{PAYLOAD_END}'
    )


class OrchestratorCalls:
    def __init__(self, services: Services) -> None:
        self._services = services

    def replay(self, instance: Instance, trigger: str, *, keep: bool) -> tuple[Answer, Session | None]:
        """Call the function with its whole history. With `keep`, also what can go on from there."""
        function = self._services.registry.orchestrators.get(instance.name.lower())
        if function is None:
            text = self._services.registry.unknown(instance.name, "orchestrationTrigger")
            failure = OrchestrationError(f"Orchestrator function '{instance.name}' failed: {text}", text)
            return Answer(actions=[], failure=failure), None
        try:
            if keep and can_keep(function):
                session = self._begin(function, trigger)
                return answer_of(jsontext.loads(session.state)), session
            converter = get_binding_registry().get("orchestrationTrigger")
            context = converter.decode(Datum(trigger, "string"), trigger_metadata=None)
            return answer_of(jsontext.loads(self._services.invoker.call_here(function, context))), None
        except failures.FunctionTimeoutError:
            raise
        except Exception as error:  # noqa: BLE001 - the orchestrator's own failure
            return failed_answer(instance.name, error), None

    def advance(self, instance: Instance, session: Session, events: list[Event]) -> Answer | None:
        """Hand a kept orchestrator what is new. None: it has ended or failed, which a full replay shall show."""
        function = self._services.registry.orchestrators.get(instance.name.lower())
        if function is None:
            return None
        try:
            with self._services.invoker.logged(function, ids.guid()), failures.contained():
                return session.advance(events)
        except failures.FunctionTimeoutError:
            raise
        except Exception:  # noqa: BLE001 - logged; the replay meets it again, and says how the orchestration failed
            return None

    def _begin(self, function: Function, trigger: str) -> Session:
        with self._services.invoker.logged(function, ids.guid()), failures.contained():
            return Session(function, trigger)


def answer_of(state: dict[str, Any], failure: OrchestrationError | None = None) -> Answer:
    """What the SDK's OrchestratorState says."""
    output = state.get("output")
    custom = state.get("customStatus")
    actions = state["actions"]
    return Answer(
        actions=actions[0] if actions else [],
        is_done=state["isDone"],
        output=None if output is None else jsontext.dumps(output),
        custom_status=None if custom is None else jsontext.dumps(custom),
        failure=failure,
    )


def failed_answer(name: str, error: Exception) -> Answer:
    """What a raised exception says: the SDK's state where it is labelled, else the failure alone."""
    state = failures.out_of_proc_state(error)
    if state is None:
        return Answer(actions=[], failure=OrchestrationError(*failures.plain_failure(name, error)))
    cause = error.__cause__ or error
    return answer_of(state, OrchestrationError(*failures.labelled_failure(name, state.get("error") or "", cause)))
