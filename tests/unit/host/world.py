"""The host's engine without HTTP, threads or real time: turns, activities and the clock move when a test says so."""

from __future__ import annotations

import functools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df

from local.host import failures, history, jsontext, sdk_patches
from local.host.activities import decoded, encoded
from local.host.app_loader import functions_of
from local.host.client import Client
from local.host.clock import Clock
from local.host.database import Database
from local.host.engine import Engine
from local.host.entities import Entities
from local.host.functions import Registry
from local.host.invocation import Invoker
from local.host.log import Log
from local.host.records import Instance, Task
from local.host.services import Services
from local.host.settings import HostSettings
from local.host.store import Store
from local.host.turns import Orchestrations

BEGIN = 1_893_456_000_000_000  # 2030-01-01
SECOND = 1_000_000


@functools.cache
def registry_of(app: df.DFApp) -> Registry:
    """An app gives its functions once only."""
    return functions_of(SimpleNamespace(app=app), Path("function_app.py"))


class QuietLog(Log):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def line(self, text: str) -> None:
        self.said.append(text)


class Workers:
    """Activities wait here until a test runs them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.waiting: deque[Task] = deque()
        self.ran: list[str] = []

    def submit(self, task: Task) -> None:
        self.waiting.append(task)

    def is_idle(self) -> bool:
        return not self.waiting

    def grow(self) -> None:
        pass

    def run(self, index: int = 0) -> None:
        task = self.waiting[index]
        del self.waiting[index]
        self.ran.append(task.name)
        at = self._world.clock.micros()
        function = self._world.services.registry.activities[task.name.lower()]
        try:
            result = encoded(self._world.services.invoker.call_here(function, decoded(task)))
        except Exception as error:
            event = history.task_failed(at, task.number, *failures.activity_failure(task.name, error))
        else:
            event = history.task_completed(at, task.number, result)
        self._world.engine.post_result(task, history.text(event))


class World:
    """Opens a state file; a second World on the same folder is what a host sees that starts after a kill."""

    def __init__(self, folder: Path, app: df.DFApp | Registry, settings: HostSettings | None = None) -> None:
        sdk_patches.install()
        folder.mkdir(exist_ok=True)
        self.database = Database(folder / "host.db")
        registry = app if isinstance(app, Registry) else registry_of(app)
        self.clock = Clock()
        self.clock.freeze(BEGIN)
        self.log = QuietLog()
        self._pool = ThreadPoolExecutor(1)
        invoker = Invoker(self.log, self._pool, lambda _: "{}")
        self.services = Services(
            Store(self.database), registry, invoker, self.clock, self.log, settings or HostSettings()
        )
        self.orchestrations = Orchestrations(self.services)
        self.engine = Engine(self.services, self.orchestrations, Entities(self.services))
        self.workers = Workers(self)
        self.engine.workers = self.workers  # type: ignore[assignment]
        self.client = Client(self.services, self.engine)
        self.engine.recover()

    def close(self) -> None:
        self._pool.shutdown(wait=False)
        self.database.close()

    def turns(self) -> None:
        """Run turns until none is left."""
        self.engine._soon_at = 0.0
        self.engine.wake(list(self.engine._soon))
        self.engine._soon.clear()
        while self.engine.step():
            pass

    def settle(self) -> None:
        """Run turns and activities until nothing is left but waiting."""
        self.turns()
        while self.workers.waiting:
            self.workers.run()
            self.turns()

    def pass_time(self, seconds: float) -> None:
        self.clock.freeze(self.clock.micros() + round(seconds * SECOND))
        self.engine.timers_changed()
        self.settle()

    def start(self, name: str, instance_id: str = "i", value: Any = None, **options: Any) -> str:
        text = None if value is None else jsontext.dumps(jsontext.dumps(value))
        return self.client.start(name, instance_id, text, **options)

    def get(self, instance_id: str = "i") -> Instance:
        instance = self.client.get(instance_id)
        assert instance is not None
        return instance

    def output(self, instance_id: str = "i") -> Any:
        instance = self.get(instance_id)
        assert instance.status.is_final, instance
        return jsontext.parsed_or_text(instance.output)

    def events(self, instance_id: str = "i") -> list[dict[str, Any]]:
        return history.read(self.client.queries.history(instance_id))

    def kinds(self, instance_id: str = "i") -> list[int]:
        return [event["EventType"] for event in self.events(instance_id)]
