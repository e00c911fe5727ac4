"""Handing a job to another system: by HTTP, by a storage queue, or by showing it on the operations API."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import azure.durable_functions as df

from activities.cancellation import CANCELLED, cancel_marked
from ringback.channels.http import session
from ringback.errors import ConfigurationError, RetryableError
from ringback.operations.queue import put_on_queue
from ringback.operations.tokens import job_token
from ringback.settings import Settings, settings
from ringback.tables.operations import OperationTable
from ringback.tables.service import tables

bp = df.Blueprint()
log = logging.getLogger(__name__)
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
RETRIED_STATUSES = {408, 425, 429}


@bp.activity_trigger(input_name="payload")
async def request_external_job(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: {operation_id, event, input}. The other system may see the same operationId twice: it is the same job."""
    if await cancel_marked(payload):
        return CANCELLED
    config = settings()
    identity, event = payload["operation_id"], payload["event"]
    waiting = {"kind": "external", "event": event, "input": payload["input"]}
    if await OperationTable(tables()).get(identity) is not None:
        await OperationTable(tables()).mark(identity, waiting=waiting)
    job = {
        "operationId": identity,
        "token": job_token(config.signing_key, identity, event),
        "eventName": event,
        "input": payload["input"],
    }
    if config.external_job_url:
        return await _post(config.external_job_url, job)
    if config.external_job_queue:
        return await _enqueue(config, json.dumps(job, ensure_ascii=False))
    return {"handed": "api"}


async def _enqueue(config: Settings, job: str) -> dict[str, Any]:
    try:
        await put_on_queue(config, config.external_job_queue, job)
    except ConfigurationError:
        log.exception("EXTERNAL_JOB_QUEUE is not set up")
        return {"failed": "The job could not be handed over: the queue to the other system is not set up."}
    return {"handed": "queue"}


async def _post(url: str, job: dict[str, Any]) -> dict[str, Any]:
    try:
        async with session().post(url, json=job, timeout=TIMEOUT, allow_redirects=False) as answer:
            status = answer.status
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        raise RetryableError(f"The other system could not be reached ({type(error).__name__}).") from error
    if status < 300:
        return {"handed": "http"}
    if status >= 500 or status in RETRIED_STATUSES:
        raise RetryableError(f"The other system answered with status {status}.")
    return {"failed": f"The other system refused the job with status {status}."}
