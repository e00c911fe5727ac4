"""SMS by Azure Communication Services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from ringback.channels import acs, sms_text
from ringback.channels.address import Address, Recipient, checked, phone
from ringback.channels.port import Once, Outcome, Payload, SendResult, cannot, wrong_recipient
from ringback.delivery.policy import Service, classify
from ringback.errors import ConfigurationError, RequestError, TooLargeError
from ringback.settings import Settings

if TYPE_CHECKING:
    from azure.communication.sms.aio import SmsClient


class SmsSender:
    """Text messages from one number; the payload's `text`, cut to `maxSegments` where that or the setting says so."""

    def __init__(self, settings: Settings) -> None:
        acs.check_endpoint(settings)
        self._settings = settings
        self._from = _sender(settings.messaging.sms_from)
        self._most = settings.messaging.sms_max_segments
        self._clients = acs.Clients(self._make)

    async def send(self, recipient: Recipient, payload: Payload, *, once: Once | None = None) -> SendResult:
        if not isinstance(recipient, Address) or recipient.kind != "sms":
            return wrong_recipient("SMS")
        try:
            number, text = checked(recipient).value, _text(payload, self._most)
        except RequestError as error:
            code = "TooLarge" if isinstance(error, TooLargeError) else "Refused"
            return SendResult(outcome=Outcome.PERMANENT, code=code, detail=str(error))
        exchange = acs.Exchange(_repeatable(number, once))
        token = acs.CURRENT.set(exchange)
        try:
            await self._clients.get().send(self._from, number, text)
        except Exception as error:  # noqa: BLE001  the SDK raises many; what the service said is in `exchange`
            if not exchange.status:
                return exchange.failed(error)
        finally:
            acs.CURRENT.reset(token)
        return _answer(exchange, text)

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:  # noqa: ARG002  the port's
        return cannot("edited")

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:  # noqa: ARG002  the port's
        return cannot("recalled")

    def _make(self) -> SmsClient:
        from azure.communication.sms.aio import SmsClient  # noqa: PLC0415  78 ms that only a message needs

        return SmsClient(self._settings.messaging.acs_endpoint, acs.credential(self._settings), **acs.options())


def _sender(text: str) -> str:
    """A number; or a short code or a name, which only the service can check."""
    if not text:
        raise ConfigurationError("Text messages need a sender: set SMS_FROM to a number of the resource.")
    try:
        return phone(text).value if text.startswith("+") else text
    except RequestError as error:
        raise ConfigurationError(
            f"SMS_FROM is {text!r}: give a number as +18005551234, a short code or a name."
        ) from error


def _text(payload: Payload, most: int) -> str:
    text = payload.get("text")
    if not isinstance(text, str) or not text.strip():
        raise RequestError("A text message needs a text.", field="text")
    text = sms_text.plain(text.strip())
    asked = payload.get("maxSegments", most)
    if isinstance(asked, int) and asked > 0:
        text = sms_text.shortened(text, asked)
    size, limit = sms_text.length(text), sms_text.LONGEST
    if size > limit:
        message = f"The text has {size} characters; a text message takes {limit}: shorten it, or set maxSegments."
        raise TooLargeError(message, field="text")
    return text


def _repeatable(number: str, once: Once | None) -> Callable[[dict[str, Any]], None]:
    """Give the recipient an id that a repeated attempt has again; the SDK makes a new one each time."""
    first = once.first_sent.astimezone(timezone.utc) if once else datetime.now(timezone.utc)
    request_id = acs.stable_id(once.key, number) if once else str(uuid4())

    def amend(body: dict[str, Any]) -> None:
        for recipient in body["smsRecipients"]:
            recipient["repeatabilityRequestId"] = request_id
            recipient["repeatabilityFirstSent"] = format_datetime(first, usegmt=True)

    return amend


def _answer(exchange: acs.Exchange, text: str) -> SendResult:
    """The service answers 202 for the request and gives each recipient a status of its own."""
    if not 200 <= exchange.status < 300:
        return exchange.result(Service.SMS)
    try:
        item = msgspec.json.decode(exchange.body, type=_Answer).value[0]
    except (msgspec.DecodeError, IndexError):
        detail = "the service accepted the request and did not say what became of the message"
        return SendResult(outcome=Outcome.AMBIGUOUS, status=exchange.status, code="NoAnswer", detail=detail)
    if 200 <= item.status < 300 and item.successful:
        alphabet, _, parts = sms_text.segments(text)
        detail = f"{parts} segment{'' if parts == 1 else 's'} of {alphabet}"
        return SendResult(outcome=Outcome.DELIVERED, status=item.status, activity_id=item.message_id, detail=detail)
    rejected = (item.repeatability_result or "").lower() == "rejected"
    said: dict[str, Any] = {"message": item.error_message or ""}
    if rejected:
        said["code"] = "RepeatabilityRejected"
    status = item.status if item.status >= 300 else 400
    return classify(status, exchange.headers, msgspec.json.encode(said), service=Service.SMS)


class _Item(msgspec.Struct):
    status: int = msgspec.field(name="httpStatusCode")
    successful: bool
    message_id: str | None = msgspec.field(name="messageId", default=None)
    repeatability_result: str | None = msgspec.field(name="repeatabilityResult", default=None)
    error_message: str | None = msgspec.field(name="errorMessage", default=None)


class _Answer(msgspec.Struct):
    value: list[_Item]
