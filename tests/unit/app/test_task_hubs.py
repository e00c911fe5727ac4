"""Hosts that share the tables, each with a task hub, an engine and people of its own; and writes that come twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from ringback.channels.address import Address
from ringback.delivery import adoption
from ringback.delivery.desk import DeliveryDesk
from ringback.delivery.recovery import recover_deliveries, recover_errands
from ringback.tables.addresses import AddressTable
from ringback.tables.errands import ERASE, ErrandTable
from ringback.tables.service import Tables, connect
from tests.unit.app.conftest import Engine
from tests.unit.app.people import Entities, writer
from tests.unit.app.test_delivery_desk import NONE, fail, notification, now


@pytest.fixture
def desk(tables, engine) -> DeliveryDesk:
    return DeliveryDesk(tables, engine)


@pytest.fixture
async def elsewhere(config) -> AsyncIterator[DeliveryDesk]:
    """A host on the same tables, with another task hub: an engine and people of its own."""
    tables = Tables(connect(config), "another hub")
    yield DeliveryDesk(tables, Engine())
    await tables.close()


async def test_what_another_task_hub_brings_is_left_to_it(desk, engine, elsewhere, monkeypatch):
    monkeypatch.setattr("ringback.delivery.desk.START_GRACE", NONE)
    await desk.submit(notification(not_before=now() + timedelta(hours=1)), "body")
    before = [listing async for listing in desk.index.listed()]
    assert await recover_deliveries(elsewhere, grace=NONE) == 0
    assert (await elsewhere.look("n1")).state == "waiting"
    assert (await elsewhere.submit(notification(not_before=now() + timedelta(hours=1)), "body")).state == "waiting"
    assert elsewhere._engine.started == []
    # Its own timer finds it at the same time as before.
    assert [listing async for listing in desk.index.listed()] == before
    # But anybody may take it back, or send again what failed.
    assert (await elsewhere.cancel("n1")).state == "cancelled"
    await fail(desk, await desk.submit(notification("n2"), "body"))
    assert await elsewhere.redrive(await elsewhere.find("n2"))
    assert [instance for _, instance, _ in elsewhere._engine.started] == ["notify-n2!r1"]
    assert await recover_deliveries(desk, grace=NONE) == 0
    assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n2"]


@pytest.fixture
def clock(monkeypatch):
    """The clock by which a process knows how long it has watched; its one item is the time."""
    time = [1_000.0]
    monkeypatch.setattr(adoption, "monotonic", lambda: time[0])
    return time


async def left_behind(desk, for_days: float) -> None:
    await desk.submit(notification(), "body")
    [listing] = [listing async for listing in desk.index.listed()]
    await desk.index.list_open(msgspec.structs.replace(listing, at=now() - timedelta(days=for_days, minutes=1)))


async def test_what_a_task_hub_left_behind_is_adopted_once_it_was_seen_to_be_so(desk, elsewhere, clock):
    await left_behind(desk, 2)
    for minutes in (0, 1, 58):
        clock[0] += 60 * minutes
        assert await recover_deliveries(elsewhere, grace=NONE) == 0
        assert elsewhere._engine.started == []
    clock[0] += 60
    assert await recover_deliveries(elsewhere, grace=NONE) == 0
    assert [instance for _, instance, _ in elsewhere._engine.started] == ["notify-n1"]
    assert (await desk.find("n1")).hub == "another hub"


async def test_hosts_that_were_off_together_leave_each_other_what_they_come_back_to(desk, elsewhere, clock):
    await left_behind(desk, 3)
    assert await recover_deliveries(elsewhere, grace=NONE) == 0
    assert await recover_deliveries(desk, grace=NONE) == 0
    clock[0] += 7_200
    assert await recover_deliveries(elsewhere, grace=NONE) == 0
    assert (await desk.find("n1")).hub == desk.ledger.hub
    assert elsewhere._engine.started == []


@pytest.mark.parametrize(("days", "known", "adopted"), [(2, False, 0), (2, True, 1), (8, False, 1)])
async def test_who_is_not_known_to_a_task_hub_is_left_to_their_own_for_a_week(
    desk, elsewhere, clock, days, known, adopted
):
    entities = Entities()
    if known:
        entities.states["ann"] = writer()
    await left_behind(desk, days)
    for _ in range(2):
        assert await recover_deliveries(elsewhere, entities, grace=NONE) == 0
        clock[0] += 3_600
    assert len(elsewhere._engine.started) == adopted


async def test_of_two_who_take_an_id_in_at_once_one_starts_it(desk, elsewhere, engine):
    """Each in a task hub of its own, which would not see the other's orchestration."""
    insert = desk.index.insert

    async def beside(entry, at):
        assert await insert(entry, at)
        await elsewhere.submit(notification(), "body")
        return True

    desk.index.insert = beside
    row = await desk.submit(notification(), "body")
    assert (row.id, row.state) == ("notify-n1", "pending")
    assert (len(engine.started), len(elsewhere._engine.started)) == (0, 1)


async def test_an_insert_that_was_written_and_refused_when_the_sdk_repeated_it_is_started(desk, engine):
    """As after a 503 that came too late: the row is our own."""
    opened = desk.ledger.open

    async def answered_late(row):
        assert await opened(msgspec.structs.replace(row))
        return await opened(row)

    desk.ledger.open = answered_late
    assert (await desk.submit(notification(), "body")).state == "pending"
    assert [instance for _, instance, _ in engine.started] == ["notify-n1"]


async def test_an_address_goes_when_the_task_hub_that_registered_it_is_done_with_it(tables, elsewhere):
    ours, theirs = AddressTable(tables), AddressTable(elsewhere.ledger._tables)
    old, new, both = (Address(kind="email", value=f"{name}@example.org") for name in ("old", "new", "both"))
    await ours.put("ann", old)
    await theirs.put("ann", new)
    await ours.put("ann", both)
    await theirs.put("ann", both)
    later = now() + timedelta(days=1)
    assert await theirs.tidy("ann", (), later)
    assert set((await ours.of("ann")).values()) == {old, both}
    assert await ours.tidy("ann", (), later)
    assert set((await ours.of("ann")).values()) == {both}


@pytest.mark.parametrize(("hours", "left"), [(25, 0), (23, 1)])
async def test_an_erasure_that_a_task_hub_left_behind_is_finished_by_another(elsewhere, tables, clock, hours, left):
    theirs, open_ones = elsewhere.ledger._tables, []
    await ErrandTable(tables).add(ERASE, "ann", now() - timedelta(hours=hours))
    for _ in range(3):
        assert await recover_errands(theirs, elsewhere._engine, Entities(), grace=NONE) == 0
        open_ones.append(len([errand async for errand in ErrandTable(tables).listed()]))
        clock[0] += 1_800
    assert open_ones == [1, 1, left]
