"""The commands of `dev.py`: what each is called, needs and starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from local.dev import benchmarks, environment, up
from local.dev.errors import DevError
from local.dev.paths import DEV_REQUIREMENTS, ROOT, RUN_REQUIREMENTS, VENV_PYTHON, WEBCHAT

_CHECKS = (
    # Its cache misses that a new file changes how imports are sorted in others.
    ("ruff check", ["ruff", "check", "--no-cache", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    ("import-linter", ["lint-imports"]),
)


class Command(NamedTuple):
    """One command of `dev.py`."""

    summary: str
    requirements: Path
    check: Callable[[list[str]], object]
    run: Callable[[list[str]], int]


def run(arguments: Sequence[str]) -> int:
    """Do what the command line says; returns the exit code. May replace this process by another Python."""
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    if name in {"-h", "--help", "help"}:
        print(usage())
        return 0
    command = COMMANDS.get(name)
    if command is None:
        print(f"dev.py has no command {name!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        # Wrong options are told before anything is installed.
        command.check(rest)
        environment.enter(command.requirements, [name, *rest])
        return command.run(rest)
    except DevError as error:
        print(error, file=sys.stderr)
        return error.code


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python3 dev.py COMMAND [options]",
            "",
            *lines,
            "",
            "The first run makes .venv and installs what the command needs. COMMAND --help tells more.",
        ]
    )


def _anything(_arguments: list[str]) -> None:
    """Whatever is wrong with the options, the program that takes them says it."""


def _replace_by(module: str, arguments: list[str]) -> int:
    """Become `python -m module`, with this checkout on its path and the caller's folder kept."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 no shell is wanted


def _test(arguments: list[str]) -> int:
    os.chdir(ROOT)
    return _replace_by("pytest", arguments)


def _chat(arguments: list[str]) -> int:
    return _replace_by("local.channel.chat", arguments)


def _channel(arguments: list[str]) -> int:
    given = any(argument.split("=")[0] == "--webchat" for argument in arguments)
    return _replace_by("local.channel", arguments if given else [*arguments, "--webchat", str(WEBCHAT)])


def _host(arguments: list[str]) -> int:
    return _replace_by("local.host", arguments)


def _bench(arguments: list[str]) -> int:
    os.chdir(ROOT)
    return _replace_by(benchmarks.module_of(arguments[0]), arguments[1:])


def _no_options(arguments: list[str]) -> None:
    if arguments:
        raise DevError("dev.py check takes no options: it runs " + ", ".join(name for name, _ in _CHECKS))


def _check(_arguments: list[str]) -> int:
    failed = []
    for name, command in _CHECKS:
        print(f"== {name}", flush=True)
        program, *options = command
        if subprocess.run([str(VENV_PYTHON.with_name(program)), *options], cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


COMMANDS = {
    "up": Command(
        "start the host, the channel, the Table endpoint and the outbox", RUN_REQUIREMENTS, up.parse, up.main
    ),
    "chat": Command("chat with the bot in this terminal", RUN_REQUIREMENTS, _anything, _chat),
    "test": Command("run the tests; options are pytest's", DEV_REQUIREMENTS, _anything, _test),
    "check": Command("ruff, mypy and import-linter", DEV_REQUIREMENTS, _no_options, _check),
    "bench": Command("run one benchmark", RUN_REQUIREMENTS, benchmarks.check, _bench),
    "channel": Command("run the channel alone, for a bot on any host", RUN_REQUIREMENTS, _anything, _channel),
    "host": Command("run the embedded Functions host alone", RUN_REQUIREMENTS, _anything, _host),
}
