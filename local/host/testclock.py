"""`--test-clock`: the host's time stands still until `POST /admin/clock` moves it, from one due timer to the next."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, Protocol

from aiohttp import web

from local.host import jsontext
from local.host.clock import Clock, from_micros, parse, stamp, to_micros
from local.host.database import Database
from local.host.http_errors import ApiError, json_response
from local.host.settings import SettingsError, timespan

SETTLE_SECONDS = 30.0


class Paced(Protocol):
    """What follows the clock: says when it is due next, and is told when the clock has moved."""

    def next_due(self) -> int | None: ...
    def clock_moved(self) -> None: ...
    def is_idle(self) -> bool: ...


class TestClock:
    __test__ = False
    """Moves a Clock. Its place is kept on disk: time never runs backwards over a restart."""

    def __init__(self, clock: Clock, database: Database) -> None:
        self._clock = clock
        self._database = database
        self._moving = asyncio.Lock()
        self.followers: list[Paced] = []
        rows = database.rows("SELECT value FROM meta WHERE key = 'clock'")
        clock.freeze(max(int(rows[0][0]) if rows else 0, clock.micros()))

    async def handle(self, request: web.Request) -> web.Response:
        """GET: the time. POST `{"now": "2026-01-01T00:00:00Z"}` or `{"advance": seconds | "d.hh:mm:ss"}`: move it."""
        settled = True
        if request.method == "POST":
            try:
                target = self._target(jsontext.loads(await request.text()))
            except OverflowError:
                return ApiError(400, "the clock cannot move that far: the last year it knows is 9999").response()
            except (ValueError, SettingsError, TypeError) as error:
                return ApiError(
                    400, f'give {{"now": time}} or {{"advance": seconds or "d.hh:mm:ss"}}: {error}'
                ).response()
            settled = await self.move(target)
        return json_response({"now": stamp(self._clock.micros()), "settled": settled})

    async def move(self, target: int) -> bool:
        """Move to `target` (microseconds) over every due moment before it, in order, letting what falls due run out.

        Returns whether everything had come to rest at the end.
        """
        async with self._moving:
            await self._settle()
            while True:
                due = [moment for f in self.followers if (moment := f.next_due()) is not None]
                moment = min(due, default=target)
                if moment >= target:
                    break
                self._set(moment)
                await self._settle()
            self._set(target)
            return await self._settle()

    def _set(self, moment: int) -> None:
        self._clock.freeze(moment)
        with self._database.transaction() as run:
            run("REPLACE INTO meta VALUES ('clock', ?)", (str(self._clock.micros()),))
        for follower in self.followers:
            follower.clock_moved()

    async def _settle(self) -> bool:
        """Wait until nothing runs and nothing is due; False if that does not happen in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLE_SECONDS
        quiet = 0
        while loop.time() < end:
            quiet = quiet + 1 if all(self._at_rest(f) for f in self.followers) else 0
            if quiet > 1:
                return True
            await asyncio.sleep(0 if quiet else 0.0005)
        return False

    def _at_rest(self, follower: Paced) -> bool:
        due = follower.next_due()
        return follower.is_idle() and (due is None or due > self._clock.micros())

    def _target(self, body: Any) -> int:
        now = self._clock.micros()
        if "now" in body:
            target = to_micros(parse(str(body["now"])))
            if target < now:
                raise ValueError(f"the clock is at {stamp(now)} and moves only forward")
            return target
        if "advance" not in body:
            raise ValueError("neither is there")
        step = body["advance"]
        length = dt.timedelta(seconds=float(step)) if not _is_span(step) else timespan(step)
        if length < dt.timedelta():
            raise ValueError("the clock moves only forward")
        return to_micros(from_micros(now) + length)


def _is_span(step: Any) -> bool:
    return isinstance(step, str) and ":" in step
