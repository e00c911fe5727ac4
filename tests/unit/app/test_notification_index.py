"""An id is entered once and listed with the person it was entered for, whatever else is written at that moment."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from ringback.delivery.desk import DeliveryDesk
from ringback.delivery.notification import Notification
from ringback.tables import notifications
from ringback.tables.notifications import Listing, NotificationEntry, NotificationTable

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=1)


def entry(user: str = "ann", identity: str = "n1") -> NotificationEntry:
    return NotificationEntry(id=identity, delivery=f"notify-{identity}", user=user, body="body")


@pytest.fixture
def index(tables) -> NotificationTable:
    return NotificationTable(tables)


async def listed(index) -> list[tuple[str, datetime]]:
    return [(listing.user, listing.at) async for listing in index.listed()]


async def test_it_is_entered_and_listed(index):
    assert await index.insert(entry(), NOW)
    assert (await index.get("notify-n1")).user == "ann"
    assert await listed(index) == [("ann", NOW)]


async def test_the_listing_of_what_is_under_way_stays_as_it_is(index):
    await index.insert(entry(), NOW)
    assert not await index.insert(entry("bob"), LATER)
    assert await listed(index) == [("ann", NOW)]


async def test_a_listing_that_another_request_left_names_the_right_person_from_now_on(index):
    await index.list_open(Listing(delivery="notify-n1", user="bob", at=NOW))
    assert await index.insert(entry(), LATER)
    assert await listed(index) == [("ann", LATER)]


async def test_of_several_at_once_one_enters_the_id_and_is_the_one_that_is_listed(index):
    people = [f"person{number}" for number in range(8)]
    entered = await asyncio.gather(*(index.insert(entry(person), NOW) for person in people))
    [winner] = [person for person, first in zip(people, entered, strict=True) if first]
    assert (await index.get("notify-n1")).user == winner
    assert await listed(index) == [(winner, NOW)]


@pytest.mark.parametrize("person", ["ann", "bob"])
async def test_the_repetition_of_what_has_ended_lists_nothing(index, person):
    await index.insert(entry(), NOW)
    await index.unlist("notify-n1", 0)
    assert not await index.insert(entry(person), LATER)
    assert await listed(index) == []


@pytest.mark.parametrize("lost", [notifications.KNOWN, notifications.LISTED])
async def test_a_crash_between_the_two_is_finished_by_the_same_request(tables, index, engine, monkeypatch, lost):
    create, notification = notifications._create, Notification(id="notify-n1", user="ann", category="orders")

    async def broken(table, entity) -> str | None:
        if entity["RowKey"].startswith(lost):
            raise ConnectionError(lost)
        return await create(table, entity)

    monkeypatch.setattr(notifications, "_create", broken)
    desk = DeliveryDesk(tables, engine)
    with pytest.raises(ConnectionError):
        await desk.submit(notification, "body")
    assert engine.started == []
    monkeypatch.setattr(notifications, "_create", create)
    assert (await desk.submit(notification, "body")).state == "pending"
    assert [instance for _, instance, _ in engine.started] == ["notify-n1"]
    assert [user for user, _ in await listed(index)] == ["ann"]
