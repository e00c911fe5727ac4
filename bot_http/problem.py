"""Errors as RFC 9457 problem+json: every door answers a RingbackError with its status and its words."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
import msgspec
from azure.core.exceptions import AzureError

from ringback.errors import RequestError, RetryableError, RingbackError

log = logging.getLogger(__name__)
Door = Callable[..., Awaitable[func.HttpResponse]]
RETRY_SECONDS = "5"


def answers_problems(door: Door) -> Door:
    """Turn what a door raises into the answer that its caller can act on."""

    @functools.wraps(door)
    async def guarded(*args: Any, **kwargs: Any) -> func.HttpResponse:
        try:
            return await door(*args, **kwargs)
        except RetryableError as error:
            log.warning("refused for now: %s", error)
            return problem(503, "Try again", str(error))
        except RingbackError as error:
            level = logging.ERROR if error.status >= 500 else logging.INFO
            log.log(level, "refused with %d: %s", error.status, error)
            field = error.field if isinstance(error, RequestError) else None
            return problem(error.status, error.title, str(error), field)
        except AzureError as error:
            log.exception("a storage service failed")
            return problem(503, "Storage unavailable", f"A storage service failed ({type(error).__name__}). Try again.")

    return guarded


def problem(status: int, title: str, detail: str, field: str | None = None) -> func.HttpResponse:
    """One problem document; `field` names the part of the request at fault."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if field is not None:
        body["field"] = field
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    return func.HttpResponse(
        msgspec.json.encode(body), status_code=status, mimetype="application/problem+json", headers=headers
    )


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """A JSON answer; structs, datetimes and plain values alike."""
    return func.HttpResponse(
        msgspec.json.encode(body), status_code=status, mimetype="application/json", headers=headers or {}
    )
