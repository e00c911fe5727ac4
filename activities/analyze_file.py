"""The steps of `analyze-file`: the file and what is found in it stay in a table, the history holds small answers."""

from __future__ import annotations

import logging
from typing import Any

import azure.durable_functions as df
import msgspec

from activities.cancellation import CANCELLED, cancel_marked
from ringback.channels.http import session
from ringback.delivery.reference import check_attachment_url, local_mode
from ringback.errors import RequestError, UnsafeReferenceError
from ringback.files import store
from ringback.files.analysis import analyze_chunk as analyze
from ringback.files.analysis import receive, summarize
from ringback.settings import settings
from ringback.tables.service import FILES, tables

bp = df.Blueprint()
log = logging.getLogger(__name__)


@bp.activity_trigger(input_name="payload")
async def receive_file(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: {operation_id, url, name?, content_type?}. Output: {kind, chunks}, or {failed} with words for the user."""
    if await cancel_marked(payload):
        return CANCELLED
    config = settings()
    try:
        received = await receive(
            str(payload["url"]),
            session(),
            await tables().get(FILES),
            payload["operation_id"],
            max_bytes=config.file_max_bytes,
            check_url=_check,
            name=str(payload.get("name") or ""),
            content_type=str(payload.get("content_type") or ""),
        )
    except UnsafeReferenceError as error:
        # The error names the setting that would allow the host: words for the operator.
        log.warning("operation %s: %s", payload["operation_id"], error)
        return {"failed": "I may not fetch files from there. Send the file here, as an attachment."}
    except RequestError as error:
        return {"failed": str(error)}
    return {"kind": received.kind, "chunks": received.chunks}


@bp.activity_trigger(input_name="payload")
async def analyze_chunk(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: {operation_id, index}. What is found is stored beside the file."""

    async def cancelled() -> bool:
        return await cancel_marked(payload)

    try:
        done = await analyze(await tables().get(FILES), payload["operation_id"], payload["index"], cancelled)
    except RequestError as error:
        return {"failed": str(error)}
    return CANCELLED if done is None else {"index": done.index}


@bp.activity_trigger(input_name="payload")
async def summarize_file(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: {operation_id}. Output: a Summary."""
    if await cancel_marked(payload):
        return CANCELLED
    try:
        summary = await summarize(await tables().get(FILES), payload["operation_id"])
    except RequestError as error:
        return {"failed": str(error)}
    plain: dict[str, Any] = msgspec.to_builtins(summary)
    return plain


@bp.activity_trigger(input_name="payload")
async def forget_file(payload: dict[str, Any]) -> dict[str, Any]:
    """Input: {operation_id}. Remove the file and all that was found in it."""
    await store.remove(await tables().get(FILES), payload["operation_id"])
    return {}


def _check(url: str) -> None:
    config = settings()
    check_attachment_url(url, config.bot, local=local_mode(config))
