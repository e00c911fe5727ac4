"""E-mail by Azure Communication Services: accepted as an operation, whose end is waited for a little."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from azure.core.rest import HttpRequest

from ringback.channels import acs
from ringback.channels.address import Address, Recipient, checked
from ringback.channels.mail import Mail, mail, sender
from ringback.channels.port import Once, Outcome, Payload, SendResult, cannot, wrong_recipient
from ringback.delivery.policy import OPERATION_FAILED, Service, classify, retry_after
from ringback.errors import RequestError
from ringback.settings import Settings

if TYPE_CHECKING:
    from azure.communication.email.aio import EmailClient

API_VERSION = "2025-09-01"
# Between two questions, where the service says nothing.
POLL_SECONDS = 2.0
ENDED_WELL = "Succeeded"
ENDED_BADLY = ("Failed", "Canceled")


class AcsEmailSender:
    """E-mail from one mailbox. Accepted counts as delivered, unless the service says within the wait that it failed."""

    def __init__(self, settings: Settings) -> None:
        acs.check_endpoint(settings)
        self._settings = settings
        self._from = sender(settings.messaging.email_from)
        self._wait = float(settings.messaging.email_wait_seconds)
        self._clients = acs.Clients(self._make)

    async def send(self, recipient: Recipient, payload: Payload, *, once: Once | None = None) -> SendResult:
        if not isinstance(recipient, Address) or recipient.kind != "email":
            return wrong_recipient("e-mail")
        try:
            message = _message(self._from, checked(recipient), mail(payload))
        except RequestError as error:
            return SendResult(outcome=Outcome.PERMANENT, code="Refused", detail=str(error))
        operation_id = acs.stable_id(once.key, recipient.value) if once else str(uuid4())
        if once and once.repeated:
            # The service may refuse the id of an earlier attempt, or send again: so it is asked first.
            known = await self._status(operation_id)
            if known.status != 404:
                return await self._followed(operation_id, known)
        posted = await self._post(operation_id, message)
        if isinstance(posted, SendResult):
            return posted
        if posted.status == 409:
            posted = await self._status(operation_id)
        elif posted.status != 202:
            return posted.result(Service.EMAIL)
        return await self._followed(operation_id, posted)

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:  # noqa: ARG002  the port's
        return cannot("edited")

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:  # noqa: ARG002  the port's
        return cannot("recalled")

    async def outcome(self, activity_id: str) -> SendResult:
        """What the service says now of an e-mail that it accepted."""
        return _judged(activity_id, await self._status(activity_id))

    async def _post(self, operation_id: str, message: dict[str, Any]) -> acs.Exchange | SendResult:
        exchange = acs.Exchange()
        token = acs.CURRENT.set(exchange)
        try:
            await self._clients.get().begin_send(message, operation_id=operation_id, polling=False)
        except Exception as error:  # noqa: BLE001  the SDK raises many; what the service said is in `exchange`
            if not exchange.status:
                return exchange.failed(error)
        finally:
            acs.CURRENT.reset(token)
        return exchange

    async def _status(self, operation_id: str) -> acs.Exchange:
        """The operation's status; an exchange with status 0 when the service gave no answer."""
        exchange = acs.Exchange()
        token = acs.CURRENT.set(exchange)
        try:
            url = f"/emails/operations/{operation_id}?api-version={API_VERSION}"
            await self._clients.get().send_request(HttpRequest("GET", url, headers={"Accept": "application/json"}))
        except Exception:  # noqa: BLE001, S110  not to know the status is one of the answers
            pass
        finally:
            acs.CURRENT.reset(token)
        return exchange

    async def _followed(self, operation_id: str, exchange: acs.Exchange) -> SendResult:
        """Ask until the operation has ended, or the wait is over, or the service wants no question within it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait
        while _state(exchange) not in (ENDED_WELL, *ENDED_BADLY):
            wanted = retry_after(exchange.headers.get("Retry-After"))
            pause = POLL_SECONDS if wanted is None else wanted
            if loop.time() + pause > deadline:
                break
            await asyncio.sleep(pause)
            found = await self._status(operation_id)
            exchange = found if found.status == 200 else exchange
        return _judged(operation_id, exchange)

    def _make(self) -> EmailClient:
        from azure.communication.email.aio import EmailClient  # noqa: PLC0415  22 ms that only a message needs

        return EmailClient(
            self._settings.messaging.acs_endpoint,
            acs.credential(self._settings),
            api_version=API_VERSION,
            **acs.options(),
        )


def _message(origin: Address, address: Address, content: Mail) -> dict[str, Any]:
    """The request's body; the sender's name is the service's to know (its MailFrom addresses have names)."""
    body: dict[str, Any] = {"subject": content.subject, "plainText": content.text}
    if content.html:
        body["html"] = content.html
    to = {"address": address.value, **({"displayName": address.name} if address.name else {})}
    return {
        "senderAddress": origin.value,
        "content": body,
        "recipients": {"to": [to]},
        **({"headers": content.headers} if content.headers else {}),
    }


class _Operation(msgspec.Struct):
    status: str = ""
    error: dict[str, Any] | None = None


def _operation(exchange: acs.Exchange) -> _Operation:
    try:
        return msgspec.json.decode(exchange.body, type=_Operation)
    except msgspec.DecodeError:
        return _Operation()


def _state(exchange: acs.Exchange) -> str:
    return _operation(exchange).status


def _judged(operation_id: str, exchange: acs.Exchange) -> SendResult:
    operation = _operation(exchange)
    if operation.status in ENDED_BADLY:
        said = {"error": {"code": operation.status, **(operation.error or {})}}
        return classify(OPERATION_FAILED, {}, msgspec.json.encode(said), service=Service.EMAIL)
    if 200 <= exchange.status < 300:
        detail = f"accepted; the operation is {operation.status or 'not known'}"
        return SendResult(outcome=Outcome.DELIVERED, status=202, activity_id=operation_id, detail=detail)
    detail = "an earlier attempt may have been accepted, and the service does not tell"
    return SendResult(
        outcome=Outcome.AMBIGUOUS,
        status=exchange.status or None,
        code="NoAnswer",
        retry_after=retry_after(exchange.headers.get("Retry-After")),
        detail=detail,
    )
