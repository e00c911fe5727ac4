"""The sender that docs/add-a-channel.md shows is one."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from aiohttp import web

from ringback.channels.address import Address
from ringback.channels.http import close_session
from ringback.channels.port import Once, Outcome
from ringback.errors import ConfigurationError
from tests.unit.app.stand_ins import Server, make_settings

DOC = Path(__file__).resolve().parents[3] / "docs" / "add-a-channel.md"
ANN = Address(kind="sms", value="+4915112345678")


class Gateway(Server):
    async def answer(self, request):
        return web.json_response({"id": "g1"}, status=202)


def shown(url: str = "https://gateway.example"):
    code = re.search(r"```python\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)[1]
    names: dict = {}
    exec(compile(code.replace("https://gateway.example", url), str(DOC), "exec"), names)
    return names["GatewaySender"]


async def test_it_sends_with_its_key():
    async with Gateway() as gateway:
        once = Once(key="d1/1", first_sent=datetime(2026, 3, 1, tzinfo=timezone.utc))
        result = await shown(gateway.url)(make_settings(SMS_FROM="+1")).send(ANN, {"text": "hi"}, once=once)
        request, body = gateway.requests[0], gateway.bodies[0]

    assert (result.outcome, result.activity_id) == (Outcome.DELIVERED, "g1")
    assert request.headers["Idempotency-Key"] == "d1/1"
    assert body == {"to": ANN.value, "from": "+1", "text": "hi"}


async def test_it_answers_with_data():
    sender = shown()(make_settings(SMS_FROM="+1"))

    assert (await sender.send(ANN, {})).code == "Refused"
    assert (await sender.send(Address(kind="email", value="a@example.org"), {"text": "x"})).code == "WrongRecipient"
    assert (await sender.update(ANN, "1", {})).status == (await sender.delete(ANN, "1")).status == 405
    unheard = await shown("http://127.0.0.1:9")(make_settings(SMS_FROM="+1")).send(ANN, {"text": "hi"})
    assert (unheard.outcome, unheard.code) == (Outcome.RETRY, "NotConnected")
    await close_session()


async def test_it_needs_its_setting():
    with pytest.raises(ConfigurationError, match="SMS_FROM"):
        shown()(make_settings())
