"""`python -m local.services.tables`: the Table endpoint as a program."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from pathlib import Path

from aiohttp import web

from local.lifetime import end_with_parent
from local.services.tables.authentication import ACCOUNT
from local.services.tables.server import TableServer
from local.services.tables.store import StateInUseError, Store

_SHUTDOWN_SECONDS = 3.0


def main() -> int:
    options = _arguments().parse_args()
    if options.end_with_parent:
        end_with_parent()
    try:
        return asyncio.run(_serve(options))
    except StateInUseError as error:
        return _refuse(f"{error} is used by another Table endpoint: end that one or give another folder with --state.")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.services.tables",
        description="Serve the Azure Table service's protocol for one machine; the data is kept in SQLite.",
    )
    parser.add_argument("--port", type=int, default=10002, help="port to listen on (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--state", type=Path, default=Path(".local/tables"), help="folder of the data")
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")
    return parser


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches a whole process group; a parent ends its programs in the order in which they need each other.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if options.end_with_parent else stop.set)
    application = TableServer(Store(options.state)).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _refuse(f"Port {options.port} is taken: give another one with --port.")
    else:
        print(f"The Table endpoint is ready at http://{options.host}:{options.port}/{ACCOUNT}", flush=True)
        await stop.wait()
        return 0
    finally:
        await runner.cleanup()


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
