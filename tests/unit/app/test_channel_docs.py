"""The sender that docs/add-a-channel.md shows is one."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from ringback.channels import registry
from ringback.channels.address import Address
from ringback.channels.http import close_session
from ringback.channels.port import Once, Outcome, SendResult
from ringback.delivery.content import from_template
from ringback.delivery.gate import gate
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import GateQuestion, Notification, SendOrder, Stop
from ringback.delivery.opening import Recipients
from ringback.delivery.person import UserState
from ringback.delivery.registration import (
    ConsentWish,
    UserWish,
    address_changes,
    addresses_of,
    changes_of,
    try_out,
)
from ringback.delivery.sending import Sending
from ringback.delivery.throttle import Throttle
from ringback.errors import ConfigurationError, RequestError
from ringback.tables.addresses import AddressTable
from ringback.tables.dead_letters import DeadLetterTable
from ringback.tables.throttle import ThrottleTable
from ringback.templates.library import Templates
from tests.unit.app.stand_ins import Server, make_settings

DOC = Path(__file__).resolve().parents[3] / "docs" / "add-a-channel.md"
ANN = Address(kind="sms", value="+4915112345678")


class Gateway(Server):
    async def answer(self, request):
        return web.json_response({"id": "g1"}, status=202)


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)


def shown(url: str = "https://gateway.example"):
    names: dict = {}
    exec(compile(blocks()[0].replace("https://gateway.example", url), str(DOC), "exec"), names)
    return names["GatewaySender"]


class Pager:
    def __init__(self) -> None:
        self.sent: list = []

    async def send(self, recipient, payload, *, once=None):
        self.sent.append((recipient, payload))
        return SendResult(outcome=Outcome.DELIVERED)


@pytest.fixture
def pagers(monkeypatch):
    """The new kind of the page, registered as it says."""
    names = {"re": re, "Address": Address, "RequestError": RequestError}
    exec(compile(blocks()[2], str(DOC), "exec"), names)
    found = Pager()
    line = re.search(r"`(\"pager\": Channel\(_pager, pager\))`", DOC.read_text("utf-8"))[1]
    made = eval("{" + line + "}", {"Channel": registry.Channel, "_pager": lambda _: found, "pager": names["pager"]})
    monkeypatch.setattr(registry, "CHANNELS", {**registry.CHANNELS, **made})
    monkeypatch.setattr(registry, "settings", make_settings)
    registry.sender.cache_clear()
    yield found
    registry.sender.cache_clear()


async def test_a_new_kind_of_channel_is_one_registration(pagers, tables, config):
    people, now = UserState(), datetime.now(timezone.utc)
    consent = ConsentWish(channel="pager", source="import")
    wish = UserWish(name="Ann", addresses={"pager": "4711"}, consents=[consent])
    addresses = addresses_of(wish)
    key = await AddressTable(tables).put("ann", addresses["pager"])
    try_out(people, [*address_changes(addresses), *changes_of(wish, now)])
    question = GateQuestion(category="orders", priority="normal", channels=("pager",), now=now)
    assert gate(people, question).route == (Stop(channel="pager", reference=key),)

    wordings = {"en": {"chat": {"text": "Order **{{ number }}**"}}}
    templates = Templates(tables)
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    await templates.put("shipped", msgspec.json.encode({"defaultLocale": "en", "schema": schema, "variants": wordings}))
    content = from_template("shipped", {"number": 7}, None, None)
    pace = Throttle(ThrottleTable(tables), config)
    recipients = Recipients(tables, pace, config)
    sending = Sending(Ledger(tables), recipients, DeadLetterTable(tables), pace, templates)
    notification = Notification(id="d1", user="ann", category="orders", content=content)
    order = SendOrder(notification=notification, stop=Stop(channel="pager", reference=key), attempt=1)
    assert (await sending.send(order)).outcome == "delivered"
    [(recipient, payload)] = pagers.sent
    assert (recipient.value, payload["text"], recipient.masked) == ("4711", "Order 7", "…")


@pytest.mark.parametrize(
    ("addresses", "field"),
    [
        ({"pager": "x"}, "addresses.pager"),
        ({"fax": "1"}, "addresses.fax"),
        ({"bot": "29:ann"}, "addresses.bot"),
        ({"bot": None}, "addresses.bot"),
        ({"email": "nobody"}, "addresses.email"),
    ],
)
def test_an_address_that_is_none_names_its_kind(pagers, addresses, field):
    with pytest.raises(RequestError) as caught:
        addresses_of(UserWish(addresses=addresses))
    assert caught.value.field == field


def test_an_address_is_taken_away_whatever_its_kind():
    assert addresses_of(UserWish(addresses={"pager": None, "sms": "+4915112345678"})) == {"pager": None, "sms": ANN}


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
