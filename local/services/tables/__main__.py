"""`python -m local.services.tables`: the Table endpoint as a program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from local import serving
from local.services.tables.authentication import ACCOUNT
from local.services.tables.server import TableServer
from local.services.tables.store import StateInUseError, Store

_SHUTDOWN_SECONDS = 3.0


def main() -> int:
    return serving.run(_service, _arguments().parse_args())


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.services.tables",
        description="Serve the Azure Table service's protocol for one machine; the data is kept in SQLite.",
    )
    parser.add_argument("--port", type=int, default=10002, help="port to listen on (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--state", type=Path, default=Path(".local/tables"), help="folder of the data")
    serving.add_end_with_parent(parser)
    return parser


@asynccontextmanager
async def _service(options: argparse.Namespace) -> AsyncIterator[str]:
    try:
        store = Store(options.state)
    except StateInUseError as error:
        raise serving.CannotStartError(
            f"{error} is used by another Table endpoint: end that one or give another folder with --state."
        ) from error
    application = TableServer(store).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        with serving.taking(options.port):
            await web.TCPSite(runner, options.host, options.port).start()
        yield f"The Table endpoint is ready at http://{options.host}:{options.port}/{ACCOUNT}"
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
