"""Keeps programs running, and ends all of them when one cannot be kept or the stack is stopped."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque

from local.dev.children import Child, Program
from local.dev.console import Console

RESTARTS_PER_MINUTE = 5
# A program's word for "my options or my port are wrong": running it again would change nothing.
MISUSE = 2
# Both together stay below the 20 s within which the stack is gone.
GRACE_SECONDS = 8.0
_FIRST_GRACE_SECONDS = 5.0
_RESTART_SECONDS = 0.3


class Supervisor:
    """The programs of one stack; those started last are ended first."""

    def __init__(self, console: Console, restarts_per_minute: int = RESTARTS_PER_MINUTE) -> None:
        self._console = console
        self._limit = restarts_per_minute
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self.failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self, program: Program) -> None:
        """Start a program and keep it running from now on."""
        self._children[program.name] = await Child.start(program, self._console)
        self._keepers[program.name] = asyncio.create_task(self._keep(program))

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    async def _keep(self, program: Program) -> None:
        ends: deque[float] = deque()
        while True:
            code = await self._children[program.name].wait()
            if self._stopping:
                return
            ends.append(time.monotonic())
            while ends[0] < ends[-1] - 60:
                ends.popleft()
            if code == MISUSE:
                self._fail(f"{program.name} cannot run with these options; its reason is above.")
                return
            if len(ends) > self._limit:
                self._fail(f"{program.name} {_told(code)}; it ended {len(ends)} times within a minute.")
                return
            # Ctrl-C reaches the whole process group: a program may be gone before this one has seen its own signal.
            await asyncio.sleep(_RESTART_SECONDS)
            if self._stopping:
                return
            self._console.say(
                f"{program.name} {_told(code)}; starting it again ({len(ends)} of {self._limit} a minute)."
            )
            try:
                self._children[program.name] = await Child.start(program, self._console)
            except OSError as error:
                self._fail(f"{program.name} cannot be started again: {error}.")
                return
            if self._stopping:
                self._children[program.name].kill()

    def _fail(self, reason: str) -> None:
        if not self.failure.done():
            self.failure.set_result(reason)

    async def stop(self, impatient: asyncio.Event) -> None:
        """End every program: first the last one started, then the others; kill what stays, at once if `impatient`."""
        self._stopping = True
        order = list(reversed(self._children))
        deadline = time.monotonic() + GRACE_SECONDS
        for group, seconds in ((order[:1], _FIRST_GRACE_SECONDS), (order[1:], GRACE_SECONDS)):
            for name in group:
                self._children[name].terminate()
            await self._ended(group, min(deadline, time.monotonic() + seconds), impatient)
        for child in self._children.values():
            child.kill()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    async def _ended(self, names: list[str], deadline: float, impatient: asyncio.Event) -> None:
        keepers = [self._keepers[name] for name in names if name in self._keepers]
        if not keepers or impatient.is_set():
            return
        hurry = asyncio.create_task(impatient.wait())
        ended = asyncio.create_task(_all(keepers))
        patience = max(0.0, deadline - time.monotonic())
        await asyncio.wait({hurry, ended}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        ended.cancel()


async def _all(tasks: list[asyncio.Task[None]]) -> bool:
    """Wait for all of them; being cancelled cancels none."""
    await asyncio.wait(tasks)
    return True


def _told(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
