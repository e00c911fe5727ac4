"""How a program of this folder runs: until a signal or its parent ends it; what stops its start is one sentence."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from local.lifetime import end_with_parent

Service = Callable[[argparse.Namespace], AbstractAsyncContextManager[str]]


class CannotStartError(Exception):
    """The program cannot start; the message says why and names the option that helps."""


def add_end_with_parent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")


def run(service: Service, options: argparse.Namespace) -> int:
    """The program's exit status: 0 after a signal, 2 when it cannot start.

    `service` is entered to start, yields the line that tells the program is ready, and is left to stop.
    """
    if options.end_with_parent:
        end_with_parent()
    try:
        asyncio.run(_until_stopped(service, options))
    except CannotStartError as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    return 0


async def _until_stopped(service: Service, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches a whole process group; a parent ends its programs in the order in which they need each other.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if options.end_with_parent else stop.set)
    async with service(options) as ready:
        print(ready, flush=True)
        await stop.wait()


@contextmanager
def taking(port: int, option: str = "--port") -> Iterator[None]:
    """Around what starts to listen: a port that another program has is told with the option that names it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise CannotStartError(f"Port {port} is taken: give another one with {option}.") from error
