"""The host put together: one object that starts, runs and ends everything, in dependency order."""

from __future__ import annotations

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from local.host import announcement, app_loader, database, sdk_patches, statelock
from local.host.activities import ActivityWorkers
from local.host.admin import AdminApi
from local.host.client import Client
from local.host.client_binding import ClientUrls
from local.host.clock import Clock
from local.host.cors import Cors
from local.host.database import Database
from local.host.engine import Engine
from local.host.entities import Entities
from local.host.event_grid import EventGridWebhook
from local.host.functions import Function, Registry
from local.host.http_triggers import HttpTriggers
from local.host.invocation import Invoker, RetryContext
from local.host.keys import Keys
from local.host.log import Log
from local.host.management import ManagementApi
from local.host.options import Options
from local.host.outputs import Outputs
from local.host.queue_output import QueueOutput
from local.host.queue_triggers import QueueSettings, QueueTriggers
from local.host.reload import Reloader
from local.host.retry_policy import Pauses, RetryPolicy
from local.host.server import Server
from local.host.services import Services
from local.host.settings import HostSettings, load_host_section, number
from local.host.storage_queues import StorageQueues
from local.host.store import Store
from local.host.testclock import TestClock
from local.host.timer_triggers import TimerTriggers
from local.host.turns import Orchestrations

STOP_SECONDS = 2.0
FLUSH_SECONDS = 0.05


class Runtime:
    """Made, then started once with an app's functions; `stop` ends whatever came up."""

    def __init__(self, options: Options, settings: HostSettings, registry: Registry, log: Log) -> None:
        """Opens the state folder. Raises StateError, SettingsError."""
        self._options = options
        self._settings = settings
        self._log = log
        self._lock: IO[str] = statelock.lock(options.state)
        self._database = Database(options.state / database.FILE)
        self._clock = Clock()
        self._pauses = Pauses(self._clock)
        self._keys = Keys(self._database, enforced=options.enable_auth)
        self._base = f"http://{'localhost' if options.host == '127.0.0.1' else options.host}:{options.port}"
        self._rpc_base = ""
        urls = ClientUrls(settings.hub_name, settings.connection, self._keys.durable)
        self._pool = ThreadPoolExecutor(number("PYTHON_THREADPOOL_THREAD_COUNT", 32), "function")
        invoker = Invoker(log, self._pool, lambda s: urls.binding(self._base, self._rpc_base, s))
        invoker.timeout = settings.function_timeout
        self._services = Services(Store(self._database), registry, invoker, self._clock, log, settings)
        self._engine = Engine(self._services, Orchestrations(self._services), Entities(self._services))
        self._client = Client(self._services, self._engine)
        self._queues = StorageQueues()
        self._queue_settings = QueueSettings.of(settings.queues)
        self._outputs = Outputs(log)
        self._outputs.senders["queue"] = QueueOutput(self._queues, self._queue_settings.encoding).send
        self._admin = AdminApi(self._services, self._keys, self._client, self.deliver)
        self._doors = HttpTriggers(registry, invoker, self._outputs, self._keys, prefix=settings.route_prefix)
        management = ManagementApi(self._client, self._services, urls)
        self._server = Server(self._doors, management, self._admin, self._keys)
        self._server.extra_headers = settings.custom_headers
        self._server.cors = Cors.of(load_host_section(options.app))
        self._server.webhooks["eventgrid"] = EventGridWebhook(self._services, self._keys, self.deliver).handle
        self._test_clock = TestClock(self._clock, self._database) if options.test_clock else None
        self._timers = self._new_timers()
        self._queue_triggers = self._new_queue_triggers()
        self._background: list[asyncio.Task[None]] = []
        self._reloading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring everything up. Raises PortTakenError, AddressError."""
        loop = asyncio.get_running_loop()
        self._engine.workers = ActivityWorkers(self._services, self._outputs, loop, self._engine.post_result)
        self._rpc_base = await self._server.start_rpc()
        await self._server.start(self._options.host, self._options.port)
        unfinished = self._client.queries.count_open(), self._client.queries.open_instances(5)
        self._engine.start()
        self._timers.start()
        self._queue_triggers.start()
        if self._test_clock is not None:
            self._admin.clock_handler = self._test_clock.handle
        self._follow_clock()
        self._background.append(loop.create_task(self._keep_up()))
        if self._options.reload:
            reloader = Reloader(self._options.app, self._log, self.replace_app)
            self._reloading = loop.create_task(reloader.watch())
        announcement.functions(self._log, self._services.registry, self._doors, self._base)
        announcement.keys(self._log, self._keys)
        announcement.unfinished(self._log, *unfinished, self._base, self._keys)
        self._log.line(f"Host started on {self._base} (state: {self._options.state})")
        self._log.flush()

    async def stop(self) -> None:
        """End gracefully: no new work begins, what runs has a moment; the rest is done at the next start."""
        if self._reloading is not None:
            self._reloading.cancel()
        await self._server.close(STOP_SECONDS)
        await self._timers.close()
        await self._queue_triggers.close()
        for task in self._background:
            task.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._engine.stop, STOP_SECONDS)
        if self._engine.workers is not None:
            await self._engine.workers.close()
        await self._queues.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._database.close()
        self._log.flush()

    async def replace_app(self, registry: Registry) -> None:
        """Go on with the functions of an app that was loaded again. Raises RouteError, ScheduleError."""
        self._doors.load(registry)
        self._services.registry = registry
        self._engine.forget_replays()
        await self._timers.close()
        await self._queue_triggers.close()
        self._timers, self._queue_triggers = self._new_timers(), self._new_queue_triggers()
        self._timers.start()
        self._queue_triggers.start()
        self._follow_clock()
        announcement.functions(self._log, registry, self._doors, self._base)

    async def deliver(self, function: Function, trigger: Any) -> None:
        """Run a function for a trigger, by its retry policy, and hand on what it puts out."""

        async def once(retry: RetryContext | None = None) -> None:
            finish = functools.partial(self._outputs.deliver, function)
            await self._services.invoker.call(function, trigger, retry=retry, finish=finish)

        policy = RetryPolicy.of(function)
        await (once() if policy is None else policy.run(once, self._pauses))

    def _new_timers(self) -> TimerTriggers:
        functions = self._services.registry.of_kind("timerTrigger")
        timers = TimerTriggers(functions, self._database, self._clock, self._log, self.deliver)
        timers.is_paused = self._pauses.holds
        return timers

    def _new_queue_triggers(self) -> QueueTriggers:
        functions = self._services.registry.of_kind("queueTrigger")
        return QueueTriggers(functions, self._queues, self._queue_settings, self._log, self.deliver)

    def _follow_clock(self) -> None:
        if self._test_clock is not None:
            self._test_clock.followers = [self._engine, self._timers, self._pauses]

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._engine.relieve()
            self._log.flush()


def load_app(options: Options) -> Registry:
    """Import the app, from its own folder. Raises AppLoadError."""
    sdk_patches.install()
    app_loader.prepare_import_path(options.app)
    os.chdir(options.app)
    return app_loader.load(options.app)
