"""What the command line says."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from local.host.settings import load_host_section


@dataclass(frozen=True)
class Options:
    """Paths are absolute."""

    app: Path
    port: int
    state: Path
    host: str = "127.0.0.1"
    enable_auth: bool = False
    verbose: bool = False
    end_with_parent: bool = False
    reload: bool = False
    test_clock: bool = False


def parse(arguments: list[str]) -> Options:
    """Exits with a usage message as argparse does. Raises SettingsError for a local.settings.json it cannot use."""
    parser = argparse.ArgumentParser(
        prog="python -m local.host", description="Runs an Azure Functions app (Python v2, Durable Functions) here."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="run the app, as `func start` does")
    start.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py (default: this one)")
    start.add_argument("--port", type=int, help="default: LocalHttpPort of local.settings.json, or 7071")
    start.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    start.add_argument("--state", type=Path, help="folder that keeps everything (default: APP/.local/host)")
    start.add_argument("--enable-auth", action="store_true", help="ask for keys, as Azure does")
    start.add_argument("--verbose", action="store_true", help="more lines in the log")
    start.add_argument("--reload", action="store_true", help="load the app again when one of its files changes")
    start.add_argument("--test-clock", action="store_true", help="time stands still until POST /admin/clock moves it")
    start.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")
    given = parser.parse_args(arguments)
    if given.port is not None and not 1 <= given.port <= 65535:
        parser.error(f"--port {given.port} is no port: give a number from 1 to 65535")
    app = given.app.resolve()
    return Options(
        app=app,
        port=given.port or load_host_section(app).get("LocalHttpPort", 7071),
        state=(given.state or app / ".local" / "host").resolve(),
        host=given.host,
        enable_auth=given.enable_auth,
        verbose=given.verbose,
        end_with_parent=given.end_with_parent,
        reload=given.reload,
        test_clock=given.test_clock,
    )
