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
        return asyncio.run(_serve(options.host, options.port, options.state))
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


async def _serve(host: str, port: int, state: Path) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(TableServer(Store(state)).application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _refuse(f"Port {port} is taken: give another one with --port.")
    else:
        print(f"The Table endpoint is ready at http://{host}:{port}/{ACCOUNT}", flush=True)
        await stop.wait()
        return 0
    finally:
        await runner.cleanup()


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
