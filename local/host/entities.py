"""Entity batches: operations in order, one call of the entity's function, state and replies written together."""

from __future__ import annotations

import dataclasses
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import history, ids, jsontext
from local.host.failures import FunctionTimeoutError, described
from local.host.functions import Function
from local.host.records import Entity, EntityRecord, Message
from local.host.services import Services


@dataclasses.dataclass(frozen=True)
class Operation:
    """One request to an entity. Without a `parent` it is a signal, and nobody hears of its result."""

    name: str
    input: str | None
    id: str
    is_signal: bool
    parent: str | None
    parent_execution: str | None

    @classmethod
    def of(cls, message: Message) -> Operation:
        request = jsontext.loads(jsontext.read_record(message.event)["Input"])
        return cls(
            name=request["op"],
            input=request.get("input"),
            id=request["id"],
            is_signal=bool(request.get("signal")),
            parent=request.get("parent"),
            parent_execution=request.get("parentExecution"),
        )


def signal_text(operation: str, input_text: str | None) -> str:
    """The Input of a client's signal to an entity."""
    return jsontext.dumps({"op": operation, "signal": True, "input": input_text, "id": ids.guid()})


class Entities:
    def __init__(self, services: Services) -> None:
        self._services = services

    def batch(self, entity_id: str, messages: list[Message]) -> tuple[EntityRecord | None, list[Message], list[str]]:
        """Run what waits for an entity. Returns what is to be written, the messages that it uses up, and what is to be
        woken once that is written.
        """
        limit = self._services.settings.max_entity_batch
        taken = messages[:limit]
        _, name, key = entity_id.split("@", 2)
        function = self._services.registry.entities.get(name)
        if function is None:
            self._services.log.problem(
                f"messages to entity {entity_id} are dropped: {self._services.registry.unknown(name, 'entityTrigger')}"
            )
            return None, messages, []
        entity = self._services.store.entity(entity_id)
        operations = [Operation.of(message) for message in taken]
        state, results = self._call(function, name, key, entity, operations)
        replies = [reply for reply in map(self._reply, operations, results) if reply is not None]
        record = EntityRecord(entity_id, state, self._services.clock.micros(), replies)
        return record, taken, [reply[0] for reply in replies]

    def _call(
        self, function: Function, name: str, key: str, entity: Entity | None, operations: list[Operation]
    ) -> tuple[str | None, list[dict[str, Any]]]:
        """The state after the batch (None: the entity is gone) and a result for each operation."""
        payload = jsontext.dumps(
            {
                "self": {"name": name, "key": key},
                "exists": entity is not None,
                "state": entity.state if entity else None,
                "batch": [{"name": o.name, "input": o.input, "isSignal": o.is_signal, "id": o.id} for o in operations],
            }
        )
        converter = get_binding_registry().get("entityTrigger")
        context = converter.decode(Datum(payload, "string"), trigger_metadata=None)
        try:
            answer = jsontext.loads(self._services.invoker.call_here(function, context))
        except FunctionTimeoutError:
            raise
        except Exception as error:  # noqa: BLE001 - the batch failed outside any operation
            text = jsontext.dumps(described(error))
            return entity.state if entity else None, [{"isError": True, "result": text}] * len(operations)
        exists = answer["entityExists"]
        return (answer.get("entityState") or "null") if exists else None, answer["results"]

    def _reply(self, operation: Operation, result: dict[str, Any]) -> tuple[str, str | None, str] | None:
        if operation.is_signal or operation.parent is None:
            return None
        answer = {"result": result.get("result")}
        if result.get("isError"):
            answer["exceptionType"] = "Error"
        event = history.event_raised(self._services.clock.micros(), operation.id, jsontext.dumps(answer))
        return operation.parent, operation.parent_execution, history.text(event)
