"""The host put together: one object that starts, runs and ends everything, in dependency order."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from local.host import app_loader, sdk_patches, statelock
from local.host.activities import ActivityWorkers
from local.host.admin import AdminApi
from local.host.client import Client
from local.host.client_binding import ClientUrls
from local.host.clock import Clock
from local.host.database import Database
from local.host.engine import Engine
from local.host.entities import Entities
from local.host.functions import Function, Registry
from local.host.http_triggers import HttpTriggers
from local.host.invocation import Invoker
from local.host.keys import Keys
from local.host.log import Log
from local.host.management import ManagementApi
from local.host.options import Options
from local.host.outputs import Outputs
from local.host.server import Server
from local.host.services import Services
from local.host.settings import HostSettings
from local.host.store import Store
from local.host.timer_triggers import TimerTriggers
from local.host.turns import Orchestrations

STOP_SECONDS = 2.0
FLUSH_SECONDS = 0.1


class Runtime:
    def __init__(self, options: Options, settings: HostSettings, log: Log) -> None:
        """Opens the state folder. Raises StateError."""
        self._options = options
        self._settings = settings
        self.log = log
        self.clock = Clock()
        self._lock: IO[str] = statelock.lock(options.state)
        self.database = Database(options.state / "host.db")
        self.store = Store(self.database)
        self.keys = Keys(self.database, enforced=options.enable_auth)
        self.base = f"http://{'localhost' if options.host == '127.0.0.1' else options.host}:{options.port}"
        self._rpc_base = ""
        self._pool = ThreadPoolExecutor(int(os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "32")), "function")
        self._timers: TimerTriggers | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self.server: Server | None = None
        self.engine: Engine | None = None

    async def start(self, registry: Registry) -> None:
        """Bring everything up. Raises RouteError, ScheduleError, PortTakenError."""
        loop = asyncio.get_running_loop()
        sdk_patches.install()
        options, settings = self._options, self._settings
        urls = ClientUrls(settings.hub_name, settings.connection, self.keys.durable)
        self._invoker = Invoker(self.log, self._pool, lambda s: urls.binding(self.base, self._rpc_base, s))
        self._invoker.timeout = settings.function_timeout
        self._outputs = Outputs(self.log)
        services = Services(self.store, registry, self._invoker, self.clock, self.log, settings)
        engine = Engine(services, Orchestrations(services), Entities(services))
        engine.workers = ActivityWorkers(services, loop, engine.post_result)
        self.engine = engine
        self.client = Client(services, engine)
        triggers = HttpTriggers(registry, self._invoker, self.keys, settings.route_prefix)
        self._timers = TimerTriggers(
            registry.of_kind("timerTrigger"), self.database, self.clock, self.log, self._deliver
        )
        admin = AdminApi(services, self.keys, self._deliver)
        server = Server(triggers, ManagementApi(self.client, services, urls), admin, self.keys)
        server.extra_headers = settings.custom_headers
        self.server = server
        self._rpc_base = await server.start_rpc()
        await server.start(options.host, options.port)
        engine.start()
        self._timers.start()
        self._upkeep = loop.create_task(self._keep_up(engine))
        self._announce(registry, triggers)

    async def stop(self) -> None:
        """End gracefully: no new work begins, what runs has a moment; the rest is done at the next start."""
        if self.server is not None:
            await self.server.close(STOP_SECONDS)
        if self._timers is not None:
            await self._timers.close()
        if self._upkeep is not None:
            self._upkeep.cancel()
        if self.engine is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.engine.stop, STOP_SECONDS)
            if self.engine.workers is not None:
                await self.engine.workers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.database.close()
        self.log.flush()

    async def _deliver(self, function: Function, trigger: Any) -> None:
        """Run a function for a trigger, and hand on what it puts out."""
        returned, outs = await self._invoker.call(function, trigger)
        await self._outputs.deliver(function, returned, outs)

    async def _keep_up(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            engine.relieve()
            self.log.flush()

    def _announce(self, registry: Registry, triggers: HttpTriggers) -> None:
        self.log.line("Functions:")
        for door in triggers.doors:
            methods = ",".join(sorted(door.methods)) if door.methods else "ANY"
            self.log.line(f"    {door.function.name}: [{methods}] {self.base}/{door.route.template}")
        for function in registry.functions.values():
            if function.kind != "httpTrigger":
                self.log.line(f"    {function.name}: {function.kind}")
        if self.keys.enforced:
            self.log.line("Keys, for the header x-functions-key or ?code=:")
            self.log.line(f"    every function: {self.keys.host}")
            self.log.line(f"    master: {self.keys.master}")
        self.log.line(f"Host started on {self.base} (state: {self._options.state})")
        self.log.flush()


def load_app(options: Options) -> Registry:
    """Import the app, from its own folder. Raises AppLoadError."""
    app_loader.prepare_import_path(options.app)
    os.chdir(options.app)
    return app_loader.load(options.app)
