"""Turns of orchestrations: messages in, the orchestrator called, what it decided handed over to be written."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from local.host import history, jsontext, versions
from local.host.commands import Complete, Status
from local.host.determinism import NonDeterminismError
from local.host.execution import Execution
from local.host.history import Event, EventType
from local.host.orchestrator_calls import OrchestratorCalls, payload
from local.host.playback import Playback
from local.host.records import Head, Instance, Message, TurnRecord
from local.host.services import Services
from local.host.sessions import STEADY_EVENTS, Session, is_steady
from local.host.turn_outcome import TurnOutcome, Woken

REPLAY_ALWAYS_BELOW = 12
"""Turns. Up to here every turn replays the whole history; beyond, only when the history has doubled."""
KEPT_INSTANCES = 500


@dataclass
class Kept:
    """An instance between its turns. Counts for as long as the state file still shows the same head."""

    instance: Instance
    parts: list[str]
    count: int
    """History parts on disk: one a turn. `parts` holds them only while they are replayed on each turn."""
    replayed: int = 0
    execution: Execution | None = None
    playback: Playback | None = None
    session: Session | None = None
    sent: list[Event] = field(default_factory=list)
    """Events of the last turn that the session has not been handed."""


class Orchestrations:
    """Runs turns. Only one thread may run the same instance's turn at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._calls = OrchestratorCalls(services)
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._told: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """The app's code has changed: what runs is replayed from its history."""
        with self._lock:
            self._kept.clear()

    def turn(self, head: Head, messages: list[Message]) -> tuple[TurnRecord | None, list[Message], Woken]:
        """Deliver what waits to an instance. Returns what is to be written (None: nothing changes), the messages that
        are used up by it, and what follows once that is written.
        """
        kept = self._load(head)
        instance = kept.instance
        if instance.continued:
            if self._puts_off(instance):
                return None, [], Woken()
            record, woken = self._run(kept, [])
            if messages:
                woken.instances.append(instance.id)
            return record, [], woken
        fresh = [m for m in messages if m.execution in (None, instance.execution)]
        if instance.status.is_final or not fresh:
            return None, messages, Woken()
        if self._puts_off(instance):
            return None, [], Woken()
        record, woken = self._run(kept, fresh)
        return record, messages, woken

    # -- what is kept

    def _load(self, head: Head) -> Kept:
        with self._lock:
            kept = self._kept.pop(head.id, None)
        if kept is not None and head.matches(kept.instance):
            return kept
        instance, parts = self._services.store.load(head.id)
        return Kept(instance, parts, len(parts))

    def _keep(self, kept: Kept) -> None:
        if kept.instance.status.is_final:
            return
        with self._lock:
            self._kept[kept.instance.id] = kept
            if len(self._kept) > KEPT_INSTANCES:
                self._kept.popitem(last=False)

    # -- a turn

    def _run(self, kept: Kept, messages: list[Message]) -> tuple[TurnRecord, Woken]:
        instance = kept.instance
        texts, new = [], []
        if not instance.continued:
            started = history.orchestrator_started(self._services.clock.micros())
            texts = [history.text(started), *(message.event for message in messages)]
            new = [started, *(jsontext.read_record(message.event) for message in messages)]
        execution = self._failed_for_version(kept) or self._advanced(kept, new) or self._replayed(kept, texts, new)
        record = TurnRecord(instance, kept.count, "", self._services.clock.micros())
        stored = [history.after_turn(event, text) for event, text in zip(new, texts, strict=True)]
        if instance.continued:
            # The continued execution's first part was stored unplayed; it is written again as played.
            stored = [_begun(event) for event in history.read(kept.parts)]
            record.part = 0
        instance.continued = False
        self._set_status(instance, execution, new)
        outcome = TurnOutcome(self._services, instance, record, stored)
        outcome.write(execution.commands, execution.carried)
        self._after(kept, record, outcome)
        return record, outcome.woken

    def _after(self, kept: Kept, record: TurnRecord, outcome: TurnOutcome) -> None:
        kept.instance.updated = record.now
        if record.renewed:
            kept.session = kept.execution = kept.playback = None
            kept.parts, kept.count, kept.replayed = [record.events], 1, 0
        else:
            kept.parts[record.part :] = [record.events] if kept.session is None else []
            kept.count = record.part + 1
        kept.sent = outcome.sent
        if kept.execution is not None:
            kept.execution.commands.clear()
        self._keep(kept)

    def _advanced(self, kept: Kept, new: list[Event]) -> Execution | None:
        """Go on with a kept orchestrator. None: there is none, or a full replay is due."""
        session, execution, playback = kept.session, kept.execution, kept.playback
        kept.session = kept.execution = kept.playback = None
        if session is None or execution is None or playback is None or kept.count >= 2 * kept.replayed:
            return None
        if any(event["EventType"] not in STEADY_EVENTS for event in new):
            return None
        answer = self._calls.advance(kept.instance, session, [*kept.sent, *new])
        if answer is None or not is_steady(answer.actions):
            return None
        playback.extend(answer.actions)
        execution.walk(new)
        execution.finish()
        if answer.custom_status is not None:
            kept.instance.custom_status = answer.custom_status
        kept.session, kept.execution, kept.playback = session, execution, playback
        return execution

    def _replayed(self, kept: Kept, texts: list[str], new: list[Event]) -> Execution:
        """Replay the whole history, and keep what can go on from there if it is long."""
        instance = kept.instance
        if len(kept.parts) < kept.count:
            _, kept.parts = self._services.store.load(instance.id)
        past = history.read(kept.parts)
        keep = kept.count >= REPLAY_ALWAYS_BELOW and not instance.continued
        trigger = payload(instance, kept.parts + texts, is_first=instance.continued or not past)
        answer, session = self._calls.replay(instance, trigger, keep=keep)
        playback = Playback(answer, instance.id, self._services.registry, self._services.settings.default_version)
        playback.report = lambda text: self._report(instance, text)
        execution = Execution(instance.execution, playback)
        try:
            execution.walk(past)
            execution.walk(new)
            execution.finish()
        except NonDeterminismError as error:
            execution.fail(error)
            session = None
        if answer.custom_status is not None:
            instance.custom_status = answer.custom_status
        if session is not None and not answer.is_done and is_steady(answer.actions) and not execution.suspended:
            kept.session, kept.execution, kept.playback = session, execution, playback
            kept.parts, kept.replayed = [], kept.count
        return execution

    def _set_status(self, instance: Instance, execution: Execution, new: list[Event]) -> None:
        instance.status = Status.SUSPENDED if execution.suspended else Status.RUNNING
        for event in new:
            if event["EventType"] in (EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED):
                instance.output = event["Reason"]

    # -- what is refused

    def _admits(self, instance: Instance) -> bool:
        """May this host run an instance of that version? It is asked on each turn, as in Azure."""
        settings = self._services.settings
        return versions.admits(instance.version, settings.default_version, settings.version_match)

    def _puts_off(self, instance: Instance) -> bool:
        """Does an instance stay as it is, with all that waits for it, until a host comes that admits it?"""
        if self._services.settings.version_failure == "Fail" or self._admits(instance):
            return False
        self._tell_version(
            instance,
            f"stays {instance.status.label}, as in Azure, until a host starts whose defaultVersion admits it "
            f'(versionFailureStrategy "Fail" would end it)',
        )
        return True

    def _failed_for_version(self, kept: Kept) -> Execution | None:
        if self._admits(kept.instance):
            return None
        self._tell_version(kept.instance, 'fails (versionFailureStrategy "Fail")')
        execution = Execution(kept.instance.execution, _never_run)
        execution.commands[len(history.read(kept.parts))] = Complete(Status.FAILED, versions.MISMATCH)
        return execution

    def _tell_version(self, instance: Instance, outcome: str) -> None:
        settings = self._services.settings
        refusal = versions.refusal(instance.version, settings.default_version, settings.version_match)
        text = f"orchestration '{instance.name}' ({instance.id}) {outcome}: {refusal}."
        if (instance.id, text) not in self._told:
            self._told.add((instance.id, text))
            self._services.log.problem(text)

    def _report(self, instance: Instance, text: str) -> None:
        """Say, once an instance, what the real host would swallow."""
        if (instance.id, text) in self._told:
            return
        self._told.add((instance.id, text))
        self._services.log.problem(
            f"orchestration '{instance.name}' ({instance.id}) asked for something that cannot be done and will wait "
            f"for it for ever, as it would in Azure: {text} Mend it, then terminate or purge the instance."
        )


async def _never_run(_: Execution) -> None:
    """The body of an execution that ends before it begins."""


def _begun(event: Event) -> str:
    text = history.text(event)
    return text if event["EventType"] == EventType.ORCHESTRATOR_STARTED else history.played(text)
