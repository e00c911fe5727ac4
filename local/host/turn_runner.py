"""Runs the turns of a claim, one after the other, and writes what they decided in one transaction."""

from __future__ import annotations

from local.host.claim import Claim
from local.host.entities import Entities
from local.host.failures import FunctionTimeoutError
from local.host.records import Batch, Head, Message
from local.host.services import Services
from local.host.turn_outcome import Woken
from local.host.turns import Orchestrations

BATCH_SECONDS = 0.02


class TurnRunner:
    def __init__(self, services: Services, orchestrations: Orchestrations, entities: Entities) -> None:
        self._store = services.store
        self._orchestrations = orchestrations
        self._entities = entities
        self._entity_limit = services.settings.max_entity_batch

    def run(self, claim: Claim) -> list[str]:
        """Run what is claimed, and write it. Returns the instances that there was no time for.

        Results of activities go straight into the turn of their instance. What raises leaves nothing written.
        """
        try:
            if not claim.is_open:
                owned = claim.owned
                claim.open(*(self._store.waiting_for(owned, self._entity_limit) if owned else ({}, {})))
            while (instance_id := claim.next(BATCH_SECONDS)) is not None:
                self._run_turn(claim, instance_id)
        finally:
            claim.close()
        return claim.untouched()

    def write(self, claim: Claim) -> None:
        """Write what the turns of a claim decided. From then on its results are on disk."""
        batch = claim.batch
        batch.finished_tasks = [task.id for task, _ in claim.results]
        if not batch.is_empty:
            decided = len(batch.turns)
            claim.woken.instances += self._store.commit(batch)
            if len(batch.turns) < decided:
                claim.woken.tasks = [task for turn in batch.turns for task in turn.tasks]
            # They must not be delivered again should the rest break.
            claim.results.clear()
        # The other thread may have looked into the inbox for the last time before this was in it.
        claim.woken.instances += claim.elsewhere

    def _run_turn(self, claim: Claim, instance_id: str) -> None:
        messages = claim.messages.get(instance_id, [])
        decided, woken = Batch(), Woken()
        try:
            used = self._turn(instance_id, claim.heads.get(instance_id), messages, decided, woken)
        except FunctionTimeoutError:
            claim.drop(instance_id)
            return
        decided.used_messages += [message.id for message in used if message.id]
        # By identity: comparing each with each would make a long backlog cost its square.
        gone = {id(message) for message in used}
        decided.messages += [
            (instance_id, message.execution, message.event)
            for message in messages
            if not message.id and id(message) not in gone
        ]
        if instance_id.startswith("@") and len(messages) > self._entity_limit:
            woken.instances.append(instance_id)
        claim.add(decided, woken)

    def _turn(
        self, instance_id: str, head: Head | None, messages: list[Message], batch: Batch, woken: Woken
    ) -> list[Message]:
        """Run one turn into the batch; returns the messages that it uses up."""
        if head is not None:
            record, used, following = self._orchestrations.turn(head, messages)
            if record is not None:
                record.of_execution = head.execution
                batch.turns.append(record)
            woken.add(following)
            return used
        if instance_id.startswith("@") and messages:
            entity, used, replied = self._entities.batch(instance_id, messages)
            if entity is not None:
                batch.entities.append(entity)
            woken.instances += replied
            return used
        return messages
