"""Presses are counted once each, whoever else counts at the time and whatever dies in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta, timezone

from ringback.tables.engagement import MOST_ACTIONS, Counted, EngagementTable

BORN = datetime(2026, 2, 28, 23, 59, tzinfo=timezone.utc)
NOW = datetime(2026, 3, 1, 0, 1, tzinfo=timezone.utc)


def press(identity="p1", *, action="view", delivery="d1", born=BORN, at=NOW, **fields):
    given = {"category": "orders", "template": "", **fields}
    return Counted(delivery=delivery, press=identity, action=action, created_at=born, at=at, **given)


async def sums(table, first=date(2026, 2, 1), last=date(2026, 3, 31)):
    """(category, template, action, presses, deliveries), over all shards."""
    found = Counter()
    async for count in table.counts(first, last):
        name = (count.category, count.template, count.action)
        found[(*name, "presses")] += count.presses
        found[(*name, "deliveries")] += count.deliveries
    names = sorted({key[:3] for key in found})
    return [(*name, found[(*name, "presses")], found[(*name, "deliveries")]) for name in names]


async def test_a_press_that_comes_again_is_counted_once_even_after_midnight(tables):
    table = EngagementTable(tables)
    assert await table.record(press())
    assert not await table.record(press(at=NOW + timedelta(days=2)))
    found = (await table.of("d1", BORN))["view"]
    assert (found.presses, found.first, found.last) == (1, NOW, NOW)
    assert await sums(table) == [("orders", "", "view", 1, 1)]


async def test_a_double_press_is_two_presses_of_one_delivery(tables):
    table = EngagementTable(tables)
    for number, second in enumerate((5, 0, 9)):
        assert await table.record(press(f"p{number}", at=NOW + timedelta(seconds=second)))
    await table.record(press("p9", action="dismiss"))
    found = await table.of("d1", BORN)
    assert (found["view"].presses, found["view"].first, found["view"].last) == (3, NOW, NOW + timedelta(seconds=9))
    assert await sums(table) == [("orders", "", "dismiss", 1, 1), ("orders", "", "view", 3, 1)]


async def test_many_at_once_lose_none_and_make_none_up(tables):
    table = EngagementTable(tables)
    twice = [press(f"p{number}") for number in range(12)] * 2
    assert sum(await asyncio.gather(*map(table.record, twice))) == 12
    assert (await table.of("d1", BORN))["view"].presses == 12
    assert await sums(table) == [("orders", "", "view", 12, 1)]


async def test_counts_are_by_category_template_action_and_the_day_of_the_delivery(tables):
    table = EngagementTable(tables)
    for number in range(20):
        await table.record(press(f"p{number}", delivery=f"d{number}", template="parcel-ready"))
    await table.record(press("q", delivery="q", category="news", born=datetime(2025, 12, 31, tzinfo=timezone.utc)))
    assert await sums(table) == [("orders", "parcel-ready", "view", 20, 20)]
    assert await sums(table, date(2025, 12, 31), date(2026, 2, 27)) == [("news", "", "view", 1, 1)]
    assert await sums(table, date(2026, 2, 28), date(2026, 2, 28)) == [("orders", "parcel-ready", "view", 20, 20)]
    assert await sums(table, date(2026, 3, 1), date(2026, 3, 1)) == []


async def test_made_up_names_do_not_grow_a_row_without_end(tables):
    table = EngagementTable(tables)
    for number in range(MOST_ACTIONS + 3):
        assert await table.record(press(f"p{number}", action=f"a{number}"))
    found = await table.of("d1", BORN)
    assert len(found) == MOST_ACTIONS + 1
    assert found["other"].presses == 3


async def test_a_delivery_that_nobody_pressed(tables):
    assert await EngagementTable(tables).of("d1", None) == {}
    assert await sums(EngagementTable(tables)) == []


async def test_what_one_person_pressed_can_be_forgotten(tables):
    table = EngagementTable(tables)
    deliveries = [f"d{number}" for number in range(40)] + [f"d{number}-r" for number in range(40)]
    for delivery in deliveries:
        await table.record(press(delivery, delivery=delivery))
    for delivery in deliveries[:40]:
        await table.erase(delivery, BORN)
        await table.erase(delivery, BORN)
    assert [name for name in deliveries if await table.of(name, BORN)] == deliveries[40:]
    assert [name for name in deliveries[40:] if await table.record(press(name, delivery=name))] == []
    assert await sums(table) == [("orders", "", "view", 80, 80)]
    # Nothing of them is left: a press would be the first again.
    assert await table.record(press("d7", delivery="d7"))
