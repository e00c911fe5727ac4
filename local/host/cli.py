"""The command `python -m local.host`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
import sys

from local.host import database, runtime, settings
from local.host.app_loader import AppLoadError
from local.host.database import StateError
from local.host.host_id import SETTING, host_id
from local.host.log import Log, capture_user_logging
from local.host.options import Options, parse
from local.host.routes import RouteError
from local.host.server import AddressError, PortTakenError
from local.host.settings import SettingsError
from local.host.timer_triggers import ScheduleError
from local.lifetime import end_with_parent

# Among twenty CPU-bound threads the loop waits twenty turns for the interpreter, several times a request.
SWITCH_SECONDS = 0.0005


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0, 1 for an app that cannot run, 2 for --host or --port."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
    except SettingsError as error:
        Log().problem(str(error))
        return 1
    log = Log(verbose=options.verbose)
    if options.end_with_parent:
        end_with_parent()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        return asyncio.run(_run(options, log))
    except (AddressError, PortTakenError) as error:
        log.problem(str(error))
        return 2
    except (AppLoadError, SettingsError, StateError, RouteError, ScheduleError) as error:
        log.problem(str(error))
        return 1
    except sqlite3.Error as error:
        log.problem(database.trouble(options.state / database.FILE, error))
        return 1
    finally:
        log.flush()


async def _run(options: Options, log: Log) -> int:
    ending = _ending()
    _set_environment(options)
    _, warnings = settings.load_local_values(options.app)
    host_settings = settings.load_host_settings(options.app)
    for warning in warnings + host_settings.warnings:
        log.warning(warning)
    capture_user_logging(log)
    host = runtime.Runtime(options, host_settings, runtime.load_app(options), log)
    try:
        await host.start()
        _calm_collector()
        await ending.wait()
        log.line("Host stopping")
    finally:
        await host.stop()
    # Threads of the app that still run would hold the process; all they did is kept or done again.
    log.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(0)


def _calm_collector() -> None:
    """What was imported stays for good; replays make many objects that die young and are in no cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _ending() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ending.set)
        except NotImplementedError:  # noqa: PERF203 - Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(ending.set))
    return ending


def _set_environment(options: Options) -> None:
    """What Core Tools sets for an app; the real environment wins."""
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    os.environ.setdefault("AzureWebJobsScriptRoot", str(options.app))
    os.environ.setdefault("WEBSITE_HOSTNAME", f"localhost:{options.port}")
    os.environ.setdefault(SETTING, host_id(options.state))
