"""What a durable client does: start, raise, terminate, suspend, resume, restart, rewind, signal. Behind both APIs."""

from __future__ import annotations

from local.host import history, ids, rewind
from local.host.commands import Status
from local.host.engine import Engine
from local.host.entities import signal_text
from local.host.queries import Queries
from local.host.records import Instance, Start
from local.host.services import Services


class NotFoundError(Exception):
    """No instance of that id."""


class GoneError(Exception):
    """The instance has ended."""


class WrongStateError(Exception):
    """The instance is not in the state that the request needs."""


class Client:
    def __init__(self, services: Services, engine: Engine) -> None:
        self.queries = Queries(services.store.database)
        self._store = services.store
        self._engine = engine
        self._clock = services.clock
        self._settings = services.settings

    def get(self, instance_id: str) -> Instance | None:
        return self._store.get(instance_id)

    def start(self, name: str, instance_id: str | None, input_text: str | None, version: str | None = None) -> str:
        """Start an orchestration; returns its id. Raises InstanceExistsError while one of that id has not ended.

        `input_text` is JSON.
        """
        instance_id = instance_id or ids.hex_id()
        version = self._settings.default_version if version is None else version
        now = self._clock.micros()
        execution = ids.guid()
        event = history.execution_started(now, instance_id, execution, name, version, input_text)
        self._store.start(Start(instance_id, execution, name, version, input_text, history.text(event)), now)
        self._engine.wake([instance_id])
        return instance_id

    def raise_event(self, instance_id: str, name: str, input_text: str) -> None:
        self._send(self._open(instance_id), history.event_raised(self._clock.micros(), name, input_text))

    def terminate(self, instance_id: str, reason: str | None) -> None:
        self._send(self._open(instance_id), history.execution_terminated(self._clock.micros(), reason))

    def suspend(self, instance_id: str, reason: str | None) -> None:
        instance = self._open(instance_id)
        if instance.status is Status.SUSPENDED:
            raise WrongStateError(_cannot("suspend", instance))
        self._send(instance, history.execution_suspended(self._clock.micros(), reason))

    def resume(self, instance_id: str, reason: str | None) -> None:
        instance = self._open(instance_id)
        if instance.status is not Status.SUSPENDED:
            raise WrongStateError(_cannot("resume", instance))
        self._send(instance, history.execution_resumed(self._clock.micros(), reason))

    def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Start again with the same name and input. Raises NotFoundError, InstanceExistsError."""
        instance = self._found(instance_id)
        return self.start(instance.name, None if new_id else instance.id, instance.input, instance.version)

    def rewind(self, instance_id: str, reason: str | None) -> None:
        """Let a failed instance, and its failed children, try again what failed. Raises WrongStateError."""
        instance = self._found(instance_id)
        if instance.status is not Status.FAILED:
            raise WrongStateError(
                f"This orchestration has status {instance.status.label}, but only orchestrations in the "
                f'"Failed" state can be rewound.'
            )
        self._engine.wake(rewind.rewind(self._store.database, instance, reason, self._clock.micros()))

    def signal(self, entity_id: str, operation: str, input_text: str | None) -> None:
        event = history.event_raised(self._clock.micros(), "op", signal_text(operation, input_text))
        self._store.send(entity_id, history.text(event))
        self._engine.wake_soon(entity_id)

    def clear(self) -> int:
        """Remove every instance that has not ended; returns how many."""
        return self.queries.clear_open()

    def _send(self, instance: Instance, event: history.Event) -> None:
        self._store.send(instance.id, history.text(event))
        self._engine.wake([instance.id])

    def _found(self, instance_id: str) -> Instance:
        instance = self._store.get(instance_id)
        if instance is None:
            raise NotFoundError(instance_id)
        return instance

    def _open(self, instance_id: str) -> Instance:
        instance = self._found(instance_id)
        if instance.status.is_final:
            raise GoneError(instance_id)
        return instance


def _cannot(verb: str, instance: Instance) -> str:
    return (
        f"Cannot {verb} the orchestration instance {instance.id} because instance is in the "
        f"{instance.status.label} state."
    )
