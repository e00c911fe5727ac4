"""Timer-triggered functions: NCRONTAB with six fields (or five, or a time span), past-due runs, run at start."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from local.host import trigger_data
from local.host.clock import Clock, from_micros, parse, to_micros
from local.host.database import Database
from local.host.functions import Function
from local.host.log import Log
from local.host.settings import SettingsError, expand, timespan

Deliver = Callable[[Function, Any], Awaitable[None]]
# asyncio's timers may fire a little early.
TOLERANCE = dt.timedelta(milliseconds=1)


class ScheduleError(Exception):
    """A schedule that cannot be understood; the message names the function and the text."""


@dataclass(frozen=True)
class Schedule:
    """When a timer function runs; `after` answers the first time later than a moment."""

    text: str
    zone: dt.tzinfo
    every: dt.timedelta | None = None

    @classmethod
    def of(cls, function: Function) -> Schedule:
        """Raises ScheduleError."""
        text = str(function.trigger.settings["schedule"])
        try:
            text = expand(text)
            zone = _zone()
            if ":" in text:
                return cls(text, zone, timespan(text))
            CronSim(_six_fields(text), dt.datetime.now(zone))
        except (CronSimError, SettingsError, ZoneInfoNotFoundError) as error:
            raise ScheduleError(f"function {function.name}: the schedule '{text}' is not valid: {error}") from error
        return cls(_six_fields(text), zone)

    def after(self, moment: dt.datetime) -> dt.datetime:
        if self.every is not None:
            return moment + self.every
        local = moment.astimezone(self.zone)
        times = CronSim(self.text, local)
        upcoming = next(times)
        if "*" not in self.text.split()[2]:
            # When a clock goes back, an hour that was named comes twice and counts once.
            while upcoming.replace(tzinfo=None) <= local.replace(tzinfo=None):
                upcoming = next(times)
        return upcoming.astimezone(dt.timezone.utc)


def _six_fields(text: str) -> str:
    return text if len(text.split()) == 6 else f"0 {text}"


def _zone() -> dt.tzinfo:
    name = os.environ.get("WEBSITE_TIME_ZONE") or os.environ.get("TZ")
    return ZoneInfo(name) if name else dt.timezone.utc


class TimerTriggers:
    """One task a function. The times of the last and the next run are kept on disk, so that a run missed while the host
    was down is made up for at start.
    """

    def __init__(self, functions: list[Function], database: Database, clock: Clock, log: Log, deliver: Deliver) -> None:
        """Raises ScheduleError."""
        self.is_paused: Callable[[asyncio.Task[None]], bool] = lambda _: False
        """Does a function's task wait for its next retry?"""
        self._plans = [(function, Schedule.of(function)) for function in functions]
        self._database = database
        self._clock = clock
        self._log = log
        self._deliver = deliver
        self._tasks: list[asyncio.Task[None]] = []
        self._moved = {function.name: asyncio.Event() for function, _ in self._plans}
        self._upcoming: dict[str, dt.datetime] = {}
        """When each function that waits will run; one that runs has none."""

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow(function, schedule)) for function, schedule in self._plans]

    def next_due(self) -> int | None:
        return min((to_micros(moment) for moment in self._upcoming.values()), default=None)

    def clock_moved(self) -> None:
        for moved in self._moved.values():
            moved.set()

    def is_idle(self) -> bool:
        """Do all wait for their next time, or their next retry?"""
        return len(self._upcoming) + sum(map(self.is_paused, self._tasks)) == len(self._plans)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, function: Function, schedule: Schedule) -> None:
        monitored = function.trigger.settings.get("useMonitor") is not False
        last, planned = self._status(function) if monitored else (None, None)
        now = self._clock.now()
        if planned is not None and planned < now:
            last = await self._run(function, schedule, last, now, past_due=True)
        elif function.trigger.settings.get("runOnStartup"):
            last = await self._run(function, schedule, last, now, past_due=False)
        upcoming = schedule.after(max(now, self._clock.now()))
        while True:
            self._remember(function, last, upcoming)
            await self._sleep_until(function, upcoming)
            last = await self._run(function, schedule, last, upcoming, past_due=False)
            upcoming = schedule.after(max(upcoming, self._clock.now() - TOLERANCE))

    async def _sleep_until(self, function: Function, moment: dt.datetime) -> None:
        moved = self._moved[function.name]
        self._upcoming[function.name] = moment
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            moved.clear()
            try:
                # A bounded sleep notices a machine that was asleep, and a clock that was set.
                await asyncio.wait_for(moved.wait(), None if self._clock.is_frozen else min(left, 60))
            except asyncio.TimeoutError:
                continue
        del self._upcoming[function.name]

    async def _run(
        self, function: Function, schedule: Schedule, last: dt.datetime | None, at: dt.datetime, *, past_due: bool
    ) -> dt.datetime:
        upcoming = schedule.after(at)
        trigger = trigger_data.timer(
            past_due=past_due,
            last=last.isoformat() if last else None,
            upcoming=upcoming.isoformat(),
            updated=at.isoformat(),
        )
        self._remember(function, at, upcoming)
        try:
            await self._deliver(function, trigger)
        except Exception as error:  # noqa: BLE001 - logged with the run; the next one comes all the same
            self._log.detail(f"timer function {function.name} failed: {error}")
        return at

    def _status(self, function: Function) -> tuple[dt.datetime | None, dt.datetime | None]:
        rows = self._database.rows("SELECT last, next FROM schedules WHERE name = ?", (function.name,))
        if not rows:
            return None, None
        return (parse(rows[0][0]) if rows[0][0] else None), (parse(rows[0][1]) if rows[0][1] else None)

    def _remember(self, function: Function, last: dt.datetime | None, upcoming: dt.datetime) -> None:
        updated = from_micros(self._clock.micros()).isoformat()
        with self._database.transaction() as run:
            run(
                "REPLACE INTO schedules VALUES (?, ?, ?, ?)",
                (function.name, last.isoformat() if last else None, upcoming.isoformat(), updated),
            )
