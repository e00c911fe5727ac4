"""One program of the stack: started with a pipe that ends it when this process does, its output shown line by line."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from local.dev.console import Console
from local.dev.paths import ROOT

# After a program's end, what it wrote last is read for this long; a grandchild may keep the pipe open for ever.
_LAST_WORDS_SECONDS = 1.0
_CHUNK_BYTES = 65536


class Program(NamedTuple):
    """What to run: its name on the console, its command and its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


class Child:
    """A running program; `start` makes one."""

    def __init__(self, program: Program, process: Process, console: Console) -> None:
        self.program = program
        self._process = process
        self._output = asyncio.create_task(self._show(console))

    @classmethod
    async def start(cls, program: Program, console: Console) -> Child:
        """Start it in this process group. Only this process holds the pipe's other end, and never writes to it."""
        process = await asyncio.create_subprocess_exec(
            *program.command,
            cwd=ROOT,
            env={**program.environment, "PYTHONUNBUFFERED": "1"},
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        return cls(program, process, console)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """Its exit code; negative is the number of the signal that killed it."""
        code = await self._process.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._output), _LAST_WORDS_SECONDS)
        self._output.cancel()
        return code

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _show(self, console: Console) -> None:
        output = self._process.stdout
        rest = b""
        while output and (chunk := await output.read(_CHUNK_BYTES)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                console.line(self.program.name, line.decode("utf-8", "replace").rstrip("\r"))
        if rest:
            console.line(self.program.name, rest.decode("utf-8", "replace"))
