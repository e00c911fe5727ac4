"""Removal for age beside crashes, other passes, redrives and ids that are used again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.erasure import erase_user
from ringback.delivery.retention import DeliveryRetention
from ringback.errors import ConflictError, NotFoundError
from ringback.tables.dead_letters import DeadLetter
from ringback.tables.notifications import NotificationEntry
from ringback.tables.service import DEAD_LETTERS
from tests.unit.app.people import Entities
from tests.unit.app.retention_support import (
    DAYS,
    SECRET,
    USER,
    after,
    brought_to,
    dump,
    notification,
    now,
    press,
    run,
)


@pytest.fixture
def deliveries(tables, engine) -> DeliveryDesk:
    return DeliveryDesk(tables, engine, kept_days=DAYS)


@contextmanager
def at_call(monkeypatch, tables, call: int, act: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """`act` is done when the tables are asked for the time `call`, before that call itself."""
    told, real = 0, tables.get

    async def interrupted(name):
        nonlocal told
        told += 1
        if told == call:
            await act()
        return await real(name)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "get", interrupted)
        yield


@pytest.mark.parametrize("call", range(1, 14))
async def test_whatever_call_it_dies_in_the_next_pass_finishes(tables, engine, deliveries, monkeypatch, call):
    await brought_to(deliveries, engine, "one", "failed")
    await press(tables, deliveries, "one")
    told, real = 0, tables.get

    async def dying(name):
        nonlocal told
        told += 1
        if told >= call:
            raise ConnectionError("the process is gone")
        return await real(name)

    monkeypatch.setattr(tables, "get", dying)
    try:
        await run(tables, engine, after(DAYS + 1))
    except ConnectionError:
        assert told >= call
    monkeypatch.setattr(tables, "get", real)
    await run(tables, engine, after(DAYS + 1))
    assert {row.partition("-")[0] for *_, row in await dump(tables)} == {"count"}
    await deliveries.submit(notification("one"), "another body")


@pytest.mark.parametrize("call", range(1, 14))
async def test_an_id_used_again_at_any_moment_of_its_removal_is_one_or_the_other(
    tables, engine, deliveries, monkeypatch, call
):
    """Refused as known, or taken in whole; never taken in and lost."""
    await brought_to(deliveries, engine, "one", "failed")
    taken = None

    async def again():
        nonlocal taken
        try:
            taken = await deliveries.submit(notification("one"), "another body")
        except ConflictError:
            taken = False

    with at_call(monkeypatch, tables, call, again):
        await run(tables, engine, after(DAYS + 1))
    if taken:
        found = await deliveries.find("one")
        assert (found.state, found.content, found.withdrawn) == ("pending", taken.content, False)
        assert (await deliveries.index.get("notify-one")).body == "another body"
        assert engine.started[-1][1] == "notify-one"
        assert await run(tables, engine, after(DAYS + 1)) == {}
    else:
        with pytest.raises(NotFoundError):
            await deliveries.find("one")


@pytest.mark.parametrize("call", range(1, 14))
async def test_a_redrive_at_any_moment_of_a_removal_is_one_or_the_other(tables, engine, deliveries, monkeypatch, call):
    await brought_to(deliveries, engine, "one", "failed")
    redriven = None

    async def redrive():
        nonlocal redriven
        try:
            redriven = await deliveries.redrive(await deliveries.find("one"))
        except NotFoundError:
            redriven = False

    with at_call(monkeypatch, tables, call, redrive):
        await run(tables, engine, after(DAYS + 1))
    if redriven:
        found = await deliveries.find("one")
        assert (found.state, found.round, found.content["text"]) == ("pending", 1, SECRET)
    else:
        with pytest.raises(NotFoundError):
            await deliveries.find("one")


async def test_two_passes_at_once_remove_each_once(tables, engine, deliveries):
    for number in range(6):
        await brought_to(deliveries, engine, f"n{number}", "delivered")
    both = await asyncio.gather(*(run(tables, engine, after(DAYS + 1)) for _ in range(2)))
    assert sum(found.get("delivery", 0) for found in both) <= 6
    await run(tables, engine, after(DAYS + 1))
    assert await dump(tables) == {}


async def test_an_erasure_in_between_hides_what_is_being_removed(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await deliveries.ledger.withdraw(await deliveries.find("one"))
    await erase_user(tables, engine, Entities(), USER, now())
    with pytest.raises(NotFoundError):
        await deliveries.find("one")
    assert (await run(tables, engine, after(DAYS + 1)))["delivery"] == 1


async def test_what_a_crash_left_of_ids_and_letters_goes(tables, engine, deliveries):
    entry = NotificationEntry(id="lost", delivery=delivery_of("lost"), user=USER, body="body")
    assert await deliveries.index.insert(entry, now())
    await deliveries.index.unlist(entry.delivery, 0)
    for identity in ("gone", "moved-on"):
        await deliveries.letters.put(
            DeadLetter(delivery=delivery_of(identity), user=USER, code="Gone", category="x", failed_at=now())
        )
    await brought_to(deliveries, engine, "moved-on", "pending")
    assert await run(tables, engine, after(DAYS - 1)) == {}
    assert await run(tables, engine, after(DAYS + 1)) == {"id": 1, "dead-letter": 2}
    assert await dump(tables, DEAD_LETTERS) == {}
    assert (await deliveries.find("moved-on")).state == "pending"


async def test_an_id_repeated_after_its_request_died_is_kept(tables, engine, deliveries):
    entry = NotificationEntry(id="lost", delivery=delivery_of("lost"), user=USER, body="body")
    await deliveries.index.insert(entry, after(-400))
    stale = await deliveries.index.get(entry.delivery)
    await deliveries.submit(notification("lost"), "body")
    assert not await deliveries.index.forget(stale)
    assert await run(tables, engine, now()) == {}
    assert (await deliveries.find("lost")).state == "pending"


async def test_one_that_cannot_be_removed_keeps_none_of_the_others(tables, engine, deliveries, monkeypatch):
    for number in range(5):
        await brought_to(deliveries, engine, f"n{number}", "delivered")
    real = engine.purge

    async def purge(instance: str) -> bool:
        if instance == "notify-n2":
            raise OSError("the engine is gone")
        return await real(instance)

    monkeypatch.setattr(engine, "purge", purge)
    assert await run(tables, engine, after(DAYS + 1)) == {"delivery": 4, "left": 1}
    assert (await deliveries.find("n2")).state == "delivered"


async def test_what_is_being_removed_is_sent_again_by_nobody(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "failed")
    row = await deliveries.ledger.withdraw(await deliveries.find("one"))
    assert not await deliveries.redrive(await deliveries.ledger.get(row.user, row.id))
    with pytest.raises(NotFoundError):
        await deliveries.cancel("one")


async def test_a_pass_that_was_held_up_takes_nothing_of_who_uses_the_id_again(tables, engine, deliveries):
    """Between the mark and the id another pass removes all of it, and the id is used again."""
    await brought_to(deliveries, engine, "one", "delivered")
    row = await deliveries.ledger.withdraw(await deliveries.find("one"))
    await run(tables, engine, after(DAYS + 1))
    again = await deliveries.submit(notification("one"), "another body")
    held_up = DeliveryRetention(tables, engine, after(DAYS + 1), None)
    assert not await deliveries.ledger.remove(row)
    await held_up._forget_id(row)
    assert (await deliveries.find("one")).etag == again.etag


async def test_what_was_being_removed_goes_when_the_limit_is_longer_by_then(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await deliveries.ledger.withdraw(await deliveries.find("one"))
    assert await run(tables, engine, after(DAYS + 1), days=400) == {"delivery": 1}
    assert await dump(tables) == {}
