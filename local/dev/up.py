"""`dev.py up`: the Table endpoint, the outbox, the channel and the host as one stack."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from local.channel.webchat import is_fetched
from local.dev import settings
from local.dev.children import Child, Program
from local.dev.console import Console
from local.dev.paths import ROOT, STATE, WEBCHAT
from local.dev.ports import check_ports, spare_port
from local.dev.readiness import is_ok, is_running, wait_until
from local.dev.statelock import exclusive
from local.dev.supervisor import Supervisor

INTERRUPTED = 130
OUTBOX_PORT, SMTP_PORT = 3979, 3980


class Options(NamedTuple):
    """What `up` was asked for."""

    port: int
    channel_port: int
    tables_port: int
    outbox_port: int
    smtp_port: int
    state: Path
    enable_auth: bool

    @property
    def host_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def channel_url(self) -> str:
        return f"http://127.0.0.1:{self.channel_port}"

    @property
    def tables_url(self) -> str:
        return f"http://127.0.0.1:{self.tables_port}"

    @property
    def outbox_url(self) -> str:
        return f"http://127.0.0.1:{self.outbox_port}"

    @property
    def ports(self) -> dict[str, int]:
        """Every port, by the option that chooses it."""
        return {
            "--port": self.port,
            "--channel-port": self.channel_port,
            "--tables-port": self.tables_port,
            "--outbox-port": self.outbox_port,
            "--smtp-port": self.smtp_port,
        }


def parse(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="dev.py up",
        description="Start the embedded Functions host, the local channel, the Table endpoint and the outbox that "
        "takes the place of SMS and e-mail; keep them running.",
    )
    parser.add_argument("--port", type=_port, default=7071, help="port of the host (default: %(default)s)")
    parser.add_argument("--channel-port", type=_port, default=3978, help="port of the channel (default: %(default)s)")
    parser.add_argument("--tables-port", type=_port, default=10002, help="port of the tables (default: %(default)s)")
    parser.add_argument("--outbox-port", type=_port, help=f"port of the outbox (default: {OUTBOX_PORT} if free)")
    parser.add_argument("--smtp-port", type=_port, help=f"its port for SMTP (default: {SMTP_PORT} if free)")
    parser.add_argument(
        "--state", type=_folder, default=STATE, help="folder of everything that is kept (default: .local)"
    )
    parser.add_argument("--enable-auth", action="store_true", help="ask for function keys, as Azure does")
    given = parser.parse_args(arguments)
    # Nobody has to know these two: they give way, so that a second stack needs no more options than the main ports.
    taken = {given.port, given.channel_port, given.tables_port, given.outbox_port, given.smtp_port}
    given.outbox_port = given.outbox_port or spare_port(OUTBOX_PORT, taken)
    given.smtp_port = given.smtp_port or spare_port(SMTP_PORT, {*taken, given.outbox_port})
    options = Options(**vars(given))
    if len(set(options.ports.values())) < len(options.ports):
        *names, last = options.ports
        parser.error(f"{', '.join(names)} and {last} must differ")
    return options._replace(state=options.state.resolve())


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("a folder must have a name")
    return Path(text)


def main(arguments: list[str]) -> int:
    """Run the stack until it is stopped; the exit code."""
    options = parse(arguments)
    with exclusive(options.state):
        check_ports(options.ports)
        return asyncio.run(_serve(options, programs(options)))


def programs(options: Options) -> dict[str, Program]:
    """The four programs, by name."""
    state = options.state
    module = [sys.executable, "-m"]
    tables = [*module, "local.services.tables", "--port", str(options.tables_port), "--state", str(state / "tables")]
    outbox = [
        *(*module, "local.services.outbox", "--port", str(options.outbox_port)),
        *("--smtp-port", str(options.smtp_port), "--state", str(state / "outbox")),
    ]
    channel = [
        *(*module, "local.channel", "--bot", f"{options.host_url}/api/messages", "--webchat", str(WEBCHAT)),
        *("--port", str(options.channel_port), "--state", str(state / "channel")),
        *("--outbox", f"{options.outbox_url}/outbox"),
    ]
    host = [
        *(*module, "local.host", "start", "--app", str(ROOT), "--port", str(options.port)),
        *("--state", str(state / "host"), *(["--enable-auth"] if options.enable_auth else [])),
    ]
    host_environment = settings.host_environment(
        *(ROOT, state, options.port, options.tables_port),
        outbox_port=options.outbox_port,
        channel_port=options.channel_port,
    )
    tied = ["--end-with-parent"]
    return {
        "tables": Program("tables", tables + tied, dict(os.environ)),
        "outbox": Program("outbox", outbox + tied, dict(os.environ)),
        "channel": Program("channel", channel + tied, settings.channel_environment()),
        "host": Program("host", host + tied, host_environment),
    }


async def _serve(options: Options, parts: dict[str, Program]) -> int:
    console = Console()
    supervisor = Supervisor(console)
    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    impatient = asyncio.Event()
    with _signals(stop, impatient, console):
        running = asyncio.create_task(_run(options, parts, supervisor, console))
        try:
            ends: set[asyncio.Future[Any]] = {stop, supervisor.failure, running}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await supervisor.stop(impatient)
    if stop.done():
        return stop.result()
    if supervisor.failure.done():
        console.say(supervisor.failure.result())
        return 1
    return await running


@contextlib.contextmanager
def _signals(stop: asyncio.Future[int], impatient: asyncio.Event, console: Console) -> Iterator[None]:
    """The first signal asks for an orderly end, the second one for an immediate one."""
    loop = asyncio.get_running_loop()

    def handle(code: int) -> None:
        if stop.done():
            impatient.set()
            return
        stop.set_result(code)
        console.say("Ending; once more ends at once.")

    codes = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 0, signal.SIGHUP: 0}
    for number, code in codes.items():
        loop.add_signal_handler(number, handle, code)
    try:
        yield
    finally:
        for number in codes:
            loop.remove_signal_handler(number)


async def _run(options: Options, parts: dict[str, Program], supervisor: Supervisor, console: Console) -> int:
    """Start the stack in order; the host last, so that its Running means that all of it runs."""
    for name in ("tables", "outbox", "channel"):
        await supervisor.start(parts[name])
    await asyncio.gather(
        wait_until("the Table endpoint", f"{options.tables_url}/healthz", console, is_ok),
        wait_until("the outbox", f"{options.outbox_url}/healthz", console, is_ok),
        wait_until("the channel", f"{options.channel_url}/healthz", console, is_ok),
    )
    await supervisor.start(parts["host"])
    await wait_until("the host", f"{options.host_url}/admin/host/status", console, is_running)
    for line in welcome(options):
        console.say(line)
    await _fetch_webchat(options, console)
    forever: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    return await forever


def welcome(options: Options) -> list[str]:
    chat = "python3 dev.py chat"
    if options.channel_port != 3978:
        chat += f" --channel {options.channel_url}"
    return [
        "",
        "Ringback is ready.",
        f"  Chat in the browser    {options.channel_url}/",
        f"  Chat in a terminal     {chat}",
        f"  Bot endpoint           {options.host_url}/api/messages",
        f"  Operations API         {options.host_url}/api/operations",
        f"  Durable status API     {options.host_url}/runtime/webhooks/durabletask/instances",
        f"  SMS and e-mail sent    {options.outbox_url}/ (mail server: smtp://127.0.0.1:{options.smtp_port})",
        f"  Tables                 {options.tables_url}/devstoreaccount1",
        f"  State                  {options.state}",
        "Ctrl-C ends it.",
        "",
    ]


async def _fetch_webchat(options: Options, console: Console) -> None:
    """Get the Web Chat page's script once; without npm the page itself says what to do."""
    if is_fetched(WEBCHAT) or not shutil.which("npm"):
        return
    command = [sys.executable, "-m", "local.dev.webchat", str(WEBCHAT)]
    child = await Child.start(Program("webchat", command, dict(os.environ)), console)
    try:
        if await child.wait() == 0:
            console.say(f"Web Chat is there: {options.channel_url}/")
    finally:
        child.terminate()
        await child.wait()
