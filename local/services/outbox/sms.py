"""The SMS service: `POST /sms`, answered 202 with a status for each recipient.

https://learn.microsoft.com/rest/api/communication/sms/sms/send
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from local.services.outbox.store import Message, Store
from local.services.outbox.wire import FAULTS, STORE, answer, decoded, refused, signed_body, strike

LONGEST_TEXT = 2048
MOST_RECIPIENTS = 100
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class To(msgspec.Struct, rename="camel"):
    """A recipient of a request."""

    to: str
    repeatability_request_id: str = ""
    repeatability_first_sent: str = ""


class Request(msgspec.Struct, rename="camel"):
    """The body of a request."""

    message: str
    sms_recipients: list[To]
    sender: str = msgspec.field(name="from")
    sms_send_options: dict[str, Any] | None = None


async def send(request: web.Request) -> web.Response:
    asked: Request = decoded(await signed_body(request), Request)
    store, numbers = request.app[STORE], [recipient.to for recipient in asked.sms_recipients]
    _check(asked)
    fault = request.app[FAULTS].choose("sms", "request", numbers)
    if fault and not fault.taken and (struck := await strike(fault, request)) is not None:
        return struck
    items = []
    for recipient in asked.sms_recipients:
        special = request.app[FAULTS].choose("sms", "recipient", [recipient.to])
        if special:
            items.append(_item(recipient.to, special.status or 500, error=special.message or "On demand."))
        else:
            items.append(_sent(store, asked, recipient))
    if fault and fault.taken and (struck := await strike(fault, request)) is not None:
        return struck
    return answer({"value": items}, 202)


def _check(asked: Request) -> None:
    size = len(asked.message.encode("utf-16-le", "surrogatepass")) // 2
    if not asked.sender:
        raise refused(400, "BadRequest", "The From phone number is required.")
    if not 1 <= len(asked.sms_recipients) <= MOST_RECIPIENTS:
        raise refused(400, "BadRequest", f"The request needs 1 to {MOST_RECIPIENTS} recipients.")
    if size > LONGEST_TEXT:
        raise refused(400, "BadRequest", f"The message has {size} characters; the most is {LONGEST_TEXT}.")


def _sent(store: Store, asked: Request, recipient: To) -> dict[str, Any]:
    """The item of one recipient; a repeated request id gets the first one's answer, and nothing is sent."""
    if not E164.fullmatch(recipient.to):
        return _item(recipient.to, 400, error="Invalid To phone number format.")
    if store.refuses(recipient.to):
        return _item(recipient.to, 400, error="Recipient has opted out of messages from this sender.")
    key = recipient.repeatability_request_id and f"{recipient.repeatability_request_id} {recipient.to}"
    digest = hashlib.sha256(f"{asked.sender}\n{asked.message}".encode("utf-8", "replace")).hexdigest()
    known = store.repeat(key) if key else None
    if known is not None and known[0] != digest:
        return _item(recipient.to, 400, error="The request id was used for another message.", repeat="rejected")
    if known is not None:
        found: dict[str, Any] = msgspec.json.decode(known[1])
        return found
    message_id = f"Outgoing_{uuid4()}_noam"
    item = _item(recipient.to, 202, message_id=message_id, repeat="accepted" if key else "")
    with store:
        store.add(
            Message("sms", "sms", asked.sender, recipient.to, asked.message, message_id=message_id),
        )
        if key:
            store.remember(key, digest, msgspec.json.encode(item).decode())
    return item


def _item(to: str, status: int, *, message_id: str = "", error: str = "", repeat: str = "") -> dict[str, Any]:
    item: dict[str, Any] = {"to": to, "httpStatusCode": status, "successful": status == 202}
    if message_id:
        item["messageId"] = message_id
    if repeat:
        item["repeatabilityResult"] = repeat
    if error:
        item["errorMessage"] = error
    return item


def routes() -> list[web.RouteDef]:
    return [web.post("/sms", send)]
