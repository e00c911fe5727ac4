"""What a durable client does: start, raise, terminate, suspend, resume, restart, rewind, signal. Behind both APIs."""

from __future__ import annotations

import asyncio

from local.host import history, ids, rewind
from local.host.commands import Status
from local.host.engine import Engine
from local.host.entities import signal_text
from local.host.group_commit import GroupCommit
from local.host.queries import InstanceFilter, Queries
from local.host.records import Instance, Start
from local.host.services import Services

STEP_PAUSE = 0.001
"""Seconds: long enough for a thread that waits for the database to get it."""


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
        self._group = GroupCommit(services.store.database)
        self._engine = engine
        self._clock = services.clock
        self._settings = services.settings

    def get(self, instance_id: str) -> Instance | None:
        return self._store.get(instance_id)

    def start(self, name: str, instance_id: str | None, input_text: str | None, version: str | None = None) -> str:
        """Start an orchestration; returns its id. Raises InstanceExistsError while one of that id has not ended.

        `input_text` is JSON.
        """
        start = self._start_of(name, instance_id, input_text, version)
        self._store.start(start, self._clock.micros())
        self._engine.wake([start.instance])
        return start.instance

    async def start_soon(
        self, name: str, instance_id: str | None, input_text: str | None, version: str | None = None
    ) -> str:
        """As `start`, written together with what other requests write at this moment."""
        start = self._start_of(name, instance_id, input_text, version)
        now = self._clock.micros()
        await self._group.run(lambda run: self._store.start_within(run, start, now))
        self._engine.wake([start.instance])
        return start.instance

    def _start_of(self, name: str, instance_id: str | None, input_text: str | None, version: str | None) -> Start:
        instance_id = instance_id or ids.hex_id()
        version = self._settings.default_version if version is None else version
        execution = ids.guid()
        event = history.execution_started(self._clock.micros(), instance_id, execution, name, version, input_text)
        return Start(instance_id, execution, name, version, input_text, history.text(event))

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
        self._engine.wake(rewind.rewind(self._store, instance, reason, self._clock.micros()))

    def signal(self, entity_id: str, operation: str, input_text: str | None) -> None:
        self._store.send(entity_id, self._signal_event(operation, input_text))
        self._engine.wake_soon(entity_id)

    async def signal_soon(self, entity_id: str, operation: str, input_text: str | None) -> None:
        """As `signal`, written together with what other requests write at this moment."""
        event = self._signal_event(operation, input_text)
        await self._group.run(lambda run: self._store.send_within(run, entity_id, event))
        self._engine.wake_soon(entity_id)

    def _signal_event(self, operation: str, input_text: str | None) -> str:
        return history.text(history.event_raised(self._clock.micros(), "op", signal_text(operation, input_text)))

    async def purge_where(self, wanted: InstanceFilter) -> int:
        """Remove the finished instances that match, step by step: other requests and turns go on in between, and after
        a kill those steps that were done stay done. Returns how many.
        """
        now = self._clock.micros()
        until = now if wanted.created_to is None else min(now, wanted.created_to)
        total, after = self.queries.purge_step(wanted, until, None)
        while after is not None:
            await asyncio.sleep(STEP_PAUSE)
            count, after = self.queries.purge_step(wanted, until, after)
            total += count
        return total

    async def clear(self) -> int:
        """Remove every instance that has not ended, step by step as `purge_where`; returns how many."""
        until = self._clock.micros()
        total, more = self.queries.clear_step(until)
        while more:
            await asyncio.sleep(STEP_PAUSE)
            count, more = self.queries.clear_step(until)
            total += count
        return total

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
