"""The stand-in on free ports, and senders whose settings point at it: the real SDK clients, the real wire."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.services.outbox.authentication import connection_string
from local.services.outbox.server import Outbox
from ringback.channels.http import close_session
from ringback.settings import Settings, read_settings

NUMBER = "+4915112345678"
MAILBOX = "ann@example.org"


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class StandIn:
    """A running stand-in as a test sees it."""

    def __init__(self, port: int, smtp_port: int, http: aiohttp.ClientSession) -> None:
        self.port, self.smtp_port, self._http = port, smtp_port, http
        self.url = f"http://127.0.0.1:{port}"

    def settings(self, **environ: str) -> Settings:
        return read_settings(
            {
                "SIGNING_KEY": "k" * 40,
                "ACS_CONNECTION_STRING": connection_string(self.port),
                "SMS_FROM": "+18005551234",
                "EMAIL_FROM": "Ringback <hello@example.org>",
                **environ,
            }
        )

    def smtp(self, **environ: str) -> Settings:
        local = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.smtp_port), "SMTP_STARTTLS": "false"}
        return self.settings(**local, **environ)

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        async with self._http.request(method, f"{self.url}{path}", json=body, params=query) as answer:
            data = await answer.json()
            assert answer.status < 300, data
            return data

    async def fault(self, service: str, **fields: Any) -> Any:
        return await self.ask("POST", "/admin/faults", {"service": service, **fields})

    async def heal(self) -> None:
        await self.ask("DELETE", "/admin/faults")

    async def refuse(self, recipient: str) -> None:
        await self.ask("PUT", f"/admin/refusals/{recipient}")

    async def messages(self, **query: str) -> list[dict[str, Any]]:
        return (await self.ask("GET", "/outbox", **query))["messages"]


@pytest.fixture
async def stand_in(tmp_path) -> AsyncIterator[StandIn]:
    port, smtp_port = free_ports()
    outbox = Outbox(tmp_path / "outbox", email_seconds=0.0)
    await outbox.start_http("127.0.0.1", port)
    await outbox.mail.start("127.0.0.1", smtp_port)
    async with aiohttp.ClientSession() as http:
        yield StandIn(port, smtp_port, http)
    await close_session()
    await outbox.close()
