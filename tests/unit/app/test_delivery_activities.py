"""The activities of `deliver`: what they answer, and what they take off the list of open deliveries."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from activities import delivery as module
from ringback.channels import registry
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.notification import DeliveryEnd, DeliveryHold, Notification, SendOrder, Stop
from ringback.delivery.recovery import recover_deliveries
from ringback.tables.references import ReferenceTable
from tests.unit.app.people import reference

USER = "a" * 32


class Channel:
    def __init__(self) -> None:
        self.answer = SendResult(outcome=Outcome.DELIVERED, status=201, activity_id="a1")

    async def send(self, recipient, payload, *, once=None):
        return self.answer


@pytest.fixture
def channel(tables, config, monkeypatch) -> Channel:
    found = Channel()
    monkeypatch.setattr(module, "tables", lambda: tables)
    monkeypatch.setattr(module, "settings", lambda: config)
    monkeypatch.setattr(registry, "sender", lambda kind: found)
    return found


@pytest.fixture
async def desk(tables, engine) -> DeliveryDesk:
    return DeliveryDesk(tables, engine)


async def call(name: str, payload: msgspec.Struct):
    builders = {builder._function._name: builder._function for builder in module.bp._function_builders}
    return await builders[name].get_user_function()(msgspec.to_builtins(payload))


async def taken_in(desk, tables) -> tuple[Notification, Stop]:
    here = reference(owner=USER)
    await ReferenceTable(tables).put(here)
    content = {"type": "message", "text": "x"}
    row = await desk.submit(Notification(id=delivery_of("n1"), user=USER, category="orders", content=content), "body")
    return row.notification, Stop(channel="bot", reference=here.key)


async def listed(desk) -> list[str]:
    return [listing.delivery async for listing in desk.index.listed()]


@pytest.mark.parametrize(
    ("outcome", "last", "left"),
    [
        ("delivered", False, []),
        ("permanent", True, []),
        ("permanent", False, ["notify-n1"]),
        ("retry", True, ["notify-n1"]),
        ("ambiguous", True, ["notify-n1"]),
    ],
)
async def test_what_has_ended_is_off_the_list_and_nothing_else(channel, desk, tables, outcome, last, left):
    notification, stop = await taken_in(desk, tables)
    channel.answer = SendResult(outcome=Outcome(outcome), code="Said")
    order = SendOrder(notification=notification, stop=stop, attempt=1, last=last)
    assert (await call("send_message", order))["outcome"] == outcome
    assert await listed(desk) == left


async def test_an_end_that_no_channel_decided_is_off_the_list_too(channel, desk, tables):
    notification, _ = await taken_in(desk, tables)
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    hold = DeliveryHold(notification=notification, until=until, reason="quiet-hours: …")
    assert await call("hold_delivery", hold) == {"ended": None}
    assert await listed(desk) == ["notify-n1"]
    end = DeliveryEnd(notification=notification, state="failed", reason="gave-up: Busy")
    assert await call("close_delivery", end) == {"state": "failed", "reason": "gave-up: Busy"}
    assert await listed(desk) == []
    assert [letter.code for letter in await desk.letters.page(size=5)] == ["gave-up"]
    assert await call("hold_delivery", hold) == {"ended": "failed"}


async def test_what_runs_again_after_a_redrive_ends_or_holds_nothing_of_the_new_round(channel, desk, tables):
    notification, _ = await taken_in(desk, tables)
    end = DeliveryEnd(notification=notification, state="failed", reason="gave-up: Busy")
    await call("close_delivery", end)
    assert await desk.redrive(await desk.find("n1"))
    assert await call("close_delivery", end) == {"state": "pending", "reason": None}
    hold = DeliveryHold(notification=notification, until=datetime.now(timezone.utc), reason="quiet-hours: …")
    assert await call("hold_delivery", hold) == {"ended": "pending"}
    row = await desk.find("n1")
    assert (row.state, row.round, await desk.letters.page(size=5)) == ("pending", 1, [])
    assert [listing.round async for listing in desk.index.listed()] == [1]


async def test_what_an_operation_sends_is_listed_when_it_takes_long_and_started_again_when_it_is_lost(
    channel, desk, tables, engine
):
    here = reference(owner=USER)
    await ReferenceTable(tables).put(here)
    content = {"type": "message", "text": "the result"}
    notification = Notification(id=f"{USER}-op-result", user=USER, category="operations", content=content)
    order = SendOrder(notification=notification, stop=Stop(channel="bot", reference=here.key), attempt=1)
    channel.answer = SendResult(outcome=Outcome.RETRY, code="Busy")
    await call("send_message", order)
    assert await listed(desk) == [notification.id]
    assert await recover_deliveries(desk, grace=timedelta(0)) == 0
    [(_, instance, payload)] = engine.started
    assert (instance, payload["content"]) == (notification.id, None)
    # The ledger kept what it says.
    channel.answer = SendResult(outcome=Outcome.DELIVERED, activity_id="a1")
    again = msgspec.convert(payload, Notification)
    await call("send_message", msgspec.structs.replace(order, notification=again, attempt=2))
    assert (await desk.find(notification.id)).content == content
    assert await listed(desk) == []
