"""What the SMS and the e-mail client of Azure Communication Services share: connection, identity, one raw answer.

The SDKs' own retries, redirects and proxies are off: whether and when to try again is for the policy to say. Nothing of
azure.communication is imported before the first message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID, uuid5

import aiohttp
import msgspec
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport

from ringback.channels.http import NOT_CONNECTED, USER_AGENT, PerLoop, session
from ringback.channels.port import Outcome, Reaction, SendResult
from ringback.delivery.policy import LONGEST_DETAIL, Service, classify, no_answer
from ringback.errors import ConfigurationError
from ringback.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

Client = TypeVar("Client")

CONNECT_SECONDS = 10
READ_SECONDS = 20
TOKEN_RETRIES = 5
NAMESPACE = UUID("8b5ff6b0-0f4b-5d5e-9b1c-6a6f7d0c3a51")
NO_CONNECTION = "Azure Communication Services is not configured: set ACS_CONNECTION_STRING or ACS_ENDPOINT"


class Exchange:
    """One request to the service: what is to be in its body, and its answer as it came."""

    def __init__(self, amend: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.amend = amend
        self.started = False  # the request was given to the network
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.response: Any = None

    @property
    def body(self) -> bytes:
        """The answer's body; empty where it broke off."""
        try:
            content = self.response.content if hasattr(self.response, "content") else self.response.body()
        except Exception:  # noqa: BLE001  a body that was never read; the status has decided already
            return b""
        return bytes(content or b"")

    def result(self, service: Service) -> SendResult:
        return classify(self.status, self.headers, self.body, service=service)

    def failed(self, error: Exception) -> SendResult:
        """The result of a request that raised without an answer.

        The error's cause decides, since the SDK calls many a lost request unsent.
        """
        if not self.started:
            detail = f"no token for Azure Communication Services: {error}"[:LONGEST_DETAIL]
            return SendResult(
                outcome=Outcome.RETRY, code="NoToken", detail=detail, reaction=Reaction.OPERATOR, retries=TOKEN_RETRIES
            )
        cause = getattr(error, "inner_exception", None) or error.__cause__ or error
        return no_answer(cause, went_out=not isinstance(cause, NOT_CONNECTED))


CURRENT: ContextVar[Exchange] = ContextVar("exchange")


class Amending(SansIOHTTPPolicy[Any, Any]):
    """Before signing: puts into the body what the SDK's method has no argument for."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        exchange = CURRENT.get(None)
        if exchange is not None and exchange.amend is not None:
            body = msgspec.json.decode(request.http_request.body)
            exchange.amend(body)
            # As text: the SDK's signature hashes text only.
            request.http_request.set_json_body(body)


class NotingTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK loads it lazily, so its type is not known
    """Sends on the process's session, and keeps the answer as it came, whatever the SDK then makes of it."""

    def __init__(self) -> None:
        super().__init__(
            session=session(),
            session_owner=False,
            use_env_settings=False,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )

    async def send(self, request: Any, **config: Any) -> Any:
        exchange = CURRENT.get(None)
        if exchange is None:
            return await super().send(request, **config)
        exchange.started = True
        response = await super().send(request, **config)
        exchange.response, exchange.status, exchange.headers = response, response.status_code, response.headers
        return response


class Kept(Generic[Client]):
    """A client and the session that it sends on."""

    def __init__(self, client: Client, on: aiohttp.ClientSession) -> None:
        self.client, self.session = client, on


class Clients(Generic[Client]):
    """One client for each event loop, on the process's session."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._kept: PerLoop[Kept[Client]] = PerLoop(lambda: Kept(self._make(), session()))

    def get(self) -> Client:
        if self._kept.get().session is not session():
            self._kept.take()
        return self._kept.get().client


def options() -> dict[str, Any]:
    """Keyword arguments of either client."""
    return {
        "transport": NotingTransport(),
        "retry_total": 0,
        "permit_redirects": False,
        "user_agent": USER_AGENT,
        "per_call_policies": [Amending()],
    }


def check_endpoint(settings: Settings) -> None:
    """Raises ConfigurationError where there is no service to send to."""
    if not settings.messaging.acs_endpoint:
        raise ConfigurationError(NO_CONNECTION)


def credential(settings: Settings) -> AzureKeyCredential | AsyncTokenCredential:
    """The access key, or the identity of this app."""
    if settings.messaging.acs_key:
        return AzureKeyCredential(settings.messaging.acs_key)
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415  100 ms that a key never needs

    return DefaultAzureCredential(managed_identity_client_id=settings.managed_identity_client_id or None)


def stable_id(key: str, value: str) -> str:
    """The same UUID for the same key and recipient."""
    return str(uuid5(NAMESPACE, f"{key}\n{value}"))
