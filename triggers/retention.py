"""The timer that begins to take away what ended long ago: each night, and after one that was missed."""

from __future__ import annotations

import logging
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from ringback.operations.engine import DurableClientEngine
from ringback.retention import Kept
from ringback.settings import settings

bp = df.Blueprint()
log = logging.getLogger(__name__)
# The orchestrator's name, and its one instance's: two hosts that begin at once begin one pass.
RETENTION = "retention"


@bp.timer_trigger(arg_name="timer", schedule="0 23 3 * * *", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def start_retention(timer: func.TimerRequest, client: Any) -> None:  # noqa: ARG001  the binding's
    """Each night, and at the start of a host that slept through one."""
    await begin_pass(client)


async def begin_pass(client: Any) -> None:
    """Start a pass, in the place of the last one, unless that goes on or nothing is ever removed."""
    config, engine = settings().retention, DurableClientEngine(client)
    if config.days is None and config.content_days is None:
        return
    if not await engine.purge(RETENTION):
        log.info("retention: the last pass goes on")
        return
    kept = Kept(days=config.days, content_days=config.content_days)
    await engine.start(RETENTION, RETENTION, msgspec.to_builtins(kept))
