"""What an erasure leaves of what was written to a person, over the real table protocol."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from activities import delivery as delivery_activities
from ringback.channels.port import Outcome, SendResult
from ringback.delivery import erasure
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.erasure import erase_user
from ringback.delivery.notification import DeliveryEnd, Notification, Stop
from ringback.delivery.recovery import recover_errands
from ringback.delivery.sending import dead_letter
from ringback.errors import ConflictError
from ringback.tables.errands import ErrandTable
from ringback.tables.operations import OperationRow, OperationTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import DEAD_LETTERS, ERRANDS, LEDGER, OPERATIONS
from ringback.tables.users import UserRow, UserTable
from tests.unit.app.people import Entities, reference

NONE = timedelta(0)
USER = "a" * 32
SECRET = "the diagnosis"


def now() -> datetime:
    return datetime.now(timezone.utc)


def notification(identity: str, **fields) -> Notification:
    content = {"type": "message", "text": SECRET}
    return Notification(id=delivery_of(identity), user=USER, category="clinic", content=content, **fields)


@pytest.fixture
def entities() -> Entities:
    return Entities()


@pytest.fixture
async def deliveries(tables, engine) -> DeliveryDesk:
    await UserTable(tables).add(USER, now())
    return DeliveryDesk(tables, engine)


async def sent(desk: DeliveryDesk, identity: str, outcome: str = "delivered") -> None:
    row = await desk.submit(notification(identity), "body")
    row = await desk.ledger.claim(row, Stop(channel="bot", reference="c"), now(), "de-DE")
    said = SendResult(outcome=Outcome(outcome), code="Gone", detail=f"no such mailbox: {SECRET}", activity_id="act-7")
    row = await desk.ledger.complete(row, said, now())
    if row.state == "failed":
        await desk.letters.put(dead_letter(row))


async def everything(tables) -> str:
    """All rows that could speak of what was sent, as text."""
    found = []
    for name in (LEDGER, DEAD_LETTERS, OPERATIONS):
        async for entity in (await tables.get(name)).list_entities():
            found.append(repr(dict(entity)))
    return "\n".join(found)


async def errands(tables) -> list[str]:
    return [errand.user async for errand in ErrandTable(tables).listed()]


async def finish(tables, engine) -> None:
    for _ in range(4):
        assert await recover_errands(tables, engine, Entities(), grace=NONE) == 0


async def test_content_goes_and_what_makes_it_once_stays(tables, engine, entities, deliveries):
    await sent(deliveries, "one")
    await sent(deliveries, "two", "permanent")
    await deliveries.submit(notification("three"), "body")
    assert SECRET in await everything(tables)
    for instance in ("notify-one", "notify-two"):
        engine.show(instance, runtime="Completed")

    await erase_user(tables, engine, entities, USER, now())
    left = await everything(tables)
    assert not [word for word in (SECRET, "act-7", "clinic", "de-DE") if word in left]
    assert sorted(engine.purged) == ["notify-one", "notify-two"]
    assert ("notify-three", "cancel") in [event[:2] for event in engine.events]
    assert await errands(tables) == [USER]

    engine.show("notify-three", runtime="Completed")
    await finish(tables, engine)
    assert "notify-three" in engine.purged
    assert await errands(tables) == []
    rows = {name: await deliveries.find(name) for name in ("one", "two", "three")}
    assert {name: (row.state, row.tries, row.erased) for name, row in rows.items()} == {
        "one": ("delivered", 1, True),
        "two": ("failed", 1, True),
        "three": ("suppressed", 0, True),
    }
    # The same id again is still the first one's.
    assert (await deliveries.submit(notification("one"), "body")).state == "delivered"
    with pytest.raises(ConflictError):
        await deliveries.submit(notification("one"), "another body")
    assert not await deliveries.redrive(rows["two"])


async def test_what_is_being_sent_is_taken_by_a_later_pass_with_its_dead_letter(tables, engine, entities, deliveries):
    row = await deliveries.submit(notification("one"), "body")
    row = await deliveries.ledger.claim(row, Stop(channel="bot", reference="c"), now())
    await erase_user(tables, engine, entities, USER, now())
    assert (await deliveries.find("one")).state == "sending"
    failed = SendResult(outcome=Outcome.PERMANENT, code="Gone", detail=SECRET)
    await deliveries.ledger.complete(row, failed, now())
    engine.show("notify-one", runtime="Completed")
    await recover_errands(tables, engine, Entities(), grace=NONE)
    await deliveries.letters.put(dead_letter(row))
    await finish(tables, engine)
    assert SECRET not in await everything(tables)
    assert (await deliveries.letters.page(size=5), await errands(tables)) == ([], [])


async def test_more_than_fits_into_a_request_is_finished_by_the_timer(
    tables, engine, entities, deliveries, monkeypatch
):
    monkeypatch.setattr(erasure, "AT_A_REQUEST", 3)
    for number in range(8):
        await deliveries.ledger.close(notification(f"n{number}"), "suppressed", "opted-out", now())
    await erase_user(tables, engine, entities, USER, now())
    assert (await everything(tables)).count("Erased") == 3
    await finish(tables, engine)
    assert (await everything(tables)).count("Erased") == 8
    assert SECRET not in await everything(tables)


@pytest.mark.parametrize("call", range(1, 14))
async def test_whatever_call_it_dies_in_the_timer_finishes(tables, engine, entities, deliveries, monkeypatch, call):
    await sent(deliveries, "one", "permanent")
    engine.show("notify-one", runtime="Completed")
    told, real = 0, tables.get

    async def dying(name):
        nonlocal told
        # Before the errand is written nobody was promised anything, and the request is made again.
        told += name != ERRANDS and bool(await errands_of(real))
        if told >= call:
            raise ConnectionError("the process is gone")
        return await real(name)

    monkeypatch.setattr(tables, "get", dying)
    try:
        await erase_user(tables, engine, entities, USER, now())
    except ConnectionError:
        assert told >= call
    monkeypatch.setattr(tables, "get", real)
    await finish(tables, engine)
    assert SECRET not in await everything(tables)
    assert await errands(tables) == []
    assert entities.states[USER].erased_at is not None


async def errands_of(get) -> list[str]:
    return [entity["RowKey"] async for entity in (await get(ERRANDS)).list_entities()]


async def test_who_has_come_back_keeps_what_came_since(tables, engine, entities, deliveries):
    await deliveries.ledger.close(notification("old"), "suppressed", "opted-out", now())
    await ErrandTable(tables).add("erase", USER, now())
    await UserTable(tables).seen(UserRow(id=USER, seen_at=now()))
    fresh = await deliveries.submit(notification("new"), "body")
    await finish(tables, engine)
    assert (await deliveries.ledger.get(USER, "notify-old")).content is None
    assert (await deliveries.find("new")).content == fresh.content
    assert (await deliveries.find("new")).state == "pending"


async def test_a_later_pass_leaves_alone_who_came_back_unnoticed(tables, engine, entities, deliveries):
    """Another process may hear somebody again without noticing, for a minute, that they had been erased."""
    await deliveries.ledger.close(notification("old"), "suppressed", "opted-out", now())
    await erase_user(tables, engine, entities, USER, now())
    back = reference("c9", owner=USER)
    await ReferenceTable(tables).put(back)
    await finish(tables, engine)
    assert [found.key for found in await ReferenceTable(tables).of(USER)] == [back.key]


async def test_operations_are_cancelled_emptied_and_stay_known(tables, engine, entities, deliveries):
    table = OperationTable(tables)
    given = {"input": {"text": SECRET}, "user": USER, "conversation": "c", "created_at": now()}
    running, ended = (OperationRow(id=f"{USER}-{name}", operation="external-job", **given) for name in ("run", "end"))
    for row in (running, ended):
        await table.insert(row)
        engine.show(row.id)
    await table.end(ended.id, "succeeded", SECRET, now())
    engine.show(ended.id, runtime="Completed")
    await erase_user(tables, engine, entities, USER, now())
    assert [event[:2] for event in engine.events] == [(running.id, "cancel")]
    assert engine.purged == [ended.id]
    await table.end(running.id, "cancelled", SECRET, now())
    engine.show(running.id, runtime="Completed")
    await finish(tables, engine)
    assert SECRET not in await everything(tables)
    left = await table.of_owner(USER, open_only=False)
    assert {row.id: (row.state, row.erased, row.input) for row in left} == {
        running.id: ("cancelled", True, {}),
        ended.id: ("succeeded", True, {}),
    }
    assert not await table.insert(ended)
    assert await errands(tables) == []


def activity(name):
    builders = {builder._function._name: builder._function for builder in delivery_activities.bp._function_builders}
    return builders[name].get_user_function()


async def test_what_comes_after_the_erasure_is_refused_and_goes_the_same_way(
    tables, engine, entities, deliveries, monkeypatch
):
    monkeypatch.setattr(delivery_activities, "tables", lambda: tables)
    await erase_user(tables, engine, entities, USER, now())
    await finish(tables, engine)
    row = await deliveries.submit(notification("late"), "body")
    end = DeliveryEnd(notification=row.notification, state="suppressed", reason=erasure.REASON)
    closed = await activity("close_delivery")(msgspec.to_builtins(end))
    assert closed["state"] == "suppressed"
    engine.show("notify-late", runtime="Completed")
    await finish(tables, engine)
    assert SECRET not in await everything(tables)
    assert (await deliveries.find("late")).code == "erased"
    assert [listing async for listing in deliveries.index.listed()] == []
