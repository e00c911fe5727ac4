"""What is removed for its age, what stays, and what is never touched, over the real table protocol."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from ringback import metrics, retention
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.erasure import erase_user
from ringback.delivery.ledger_row import FINAL_STATES
from ringback.delivery.notification import HOLD, Notification, Stop
from ringback.delivery.retention import DeliveryRetention
from ringback.delivery.sending import dead_letter
from ringback.errors import ConflictError, NotFoundError
from ringback.retention import Kept, Pass
from ringback.tables import paging
from ringback.tables.dead_letters import DeadLetter
from ringback.tables.engagement import Counted, EngagementTable
from ringback.tables.notifications import NotificationEntry
from ringback.tables.operations import OperationRow
from ringback.tables.service import DEAD_LETTERS, ENGAGEMENT, LEDGER, NOTIFICATIONS, OPERATIONS, Tables, connect
from tests.unit.app.people import Entities

USER = "a" * 32
SECRET = "the diagnosis"
STOP = Stop(channel="bot", reference="c")
DAYS = 90


def now() -> datetime:
    return datetime.now(timezone.utc)


def after(days: float) -> datetime:
    return now() + timedelta(days=days)


@pytest.fixture
def deliveries(tables, engine) -> DeliveryDesk:
    return DeliveryDesk(tables, engine, kept_days=DAYS)


def notification(identity: str, **fields) -> Notification:
    content = {"type": "message", "text": SECRET}
    return Notification(id=delivery_of(identity), user=USER, category="clinic", content=content, **fields)


async def brought_to(desk: DeliveryDesk, engine, identity: str, state: str) -> None:
    """A notification in this state; its orchestration has ended if it has."""
    wish = notification(identity, on_ambiguous=HOLD)
    row = await desk.submit(wish, "body")
    if state in {"sending", "delivered", "failed", "ambiguous"}:
        row = await desk.ledger.claim(row, STOP, now())
    outcomes = {"delivered": Outcome.DELIVERED, "failed": Outcome.PERMANENT, "ambiguous": Outcome.AMBIGUOUS}
    if state in outcomes:
        row = await desk.ledger.complete(row, SendResult(outcome=outcomes[state], code="Gone"), now())
    elif state in {"suppressed", "cancelled"}:
        row = await desk.ledger.close(wish, state, "opted-out: clinic", now())
    elif state == "waiting":
        row = await desk.ledger.hold(wish, after(400), "quiet-hours", now())
    if state == "failed":
        await desk.letters.put(dead_letter(row))
    if state in FINAL_STATES:
        engine.show(row.id, runtime="Completed")
        await desk.index.unlist(row.id, 0)
    assert row.state == state


async def run(tables, engine, at: datetime, days: int | None = DAYS, content_days: int | None = None) -> dict[str, int]:
    """A pass as its orchestration makes it, each page from what a history would hold of the last."""
    done = retention.begin(Kept(days=days, content_days=content_days), at)
    while done.stage != retention.ENDED:
        raw = msgspec.json.encode(await retention.next_page(tables, engine, done))
        done = msgspec.json.decode(raw, type=Pass)
    return done.counts


async def dump(tables: Tables, *names: str) -> dict[tuple[str, ...], dict]:
    found = {}
    for name in names or (LEDGER, NOTIFICATIONS, DEAD_LETTERS, OPERATIONS, ENGAGEMENT):
        async for entity in (await tables.get(name)).list_entities():
            found[name, entity["PartitionKey"], entity["RowKey"]] = dict(entity)
    return found


async def press(tables, desk: DeliveryDesk, identity: str) -> None:
    row = await desk.find(identity)
    counted = Counted(
        delivery=row.id,
        press="p1",
        action="view",
        category="clinic",
        template="",
        created_at=row.created_at,
        at=now(),
    )
    assert await EngagementTable(tables).record(counted)


async def test_what_has_ended_goes_with_all_that_hangs_on_it(tables, engine, deliveries):
    for state in FINAL_STATES:
        await brought_to(deliveries, engine, state, state)
        await press(tables, deliveries, state)
    assert await run(tables, engine, after(DAYS - 1)) == {}
    before = metrics.counts()["removed"].get(("delivery",), 0)
    assert await run(tables, engine, after(DAYS + 1)) == {"delivery": len(FINAL_STATES)}
    assert metrics.counts()["removed"]["delivery",] == before + len(FINAL_STATES)
    left = await dump(tables)
    # Sums, which name nobody, are all that is left.
    assert {table for table, *_ in left} == {ENGAGEMENT}
    assert all(row.startswith("count-") for *_, row in left)
    assert sum(entity["Presses"] for entity in left.values()) == len(FINAL_STATES)
    assert sorted(engine.purged) == sorted(delivery_of(state) for state in FINAL_STATES)
    with pytest.raises(NotFoundError, match="ended more than 90 days ago was removed"):
        await deliveries.find("delivered")
    assert await run(tables, engine, after(DAYS + 1)) == {}


async def test_what_has_not_ended_is_never_touched(tables, engine, deliveries, desk):
    for state in ("pending", "waiting", "sending"):
        await brought_to(deliveries, engine, state, state)
    await desk.table.insert(operation("open"))
    before = await dump(tables)
    for days in (1, DAYS + 1, 36_000):
        assert await run(tables, engine, after(days), days=1, content_days=1) == {}
    assert await dump(tables) == before
    assert engine.purged == engine.events == []


@pytest.mark.parametrize("seed", range(4))
async def test_of_any_mix_only_what_ended_long_enough_ago_is_touched(tables, engine, deliveries, monkeypatch, seed):
    monkeypatch.setattr(paging, "PAGE", 3)
    draw, expected = random.Random(seed), {}
    for number in range(14):
        state, ended = draw.choice([*FINAL_STATES, "pending", "waiting", "sending"]), draw.choice([1, 20, 100, 400])
        await brought_to(deliveries, engine, f"n{number}", state)
        if state in FINAL_STATES:
            await ended_ago(tables, deliveries, f"n{number}", ended)
        kept = state not in FINAL_STATES or ended < DAYS
        emptied = kept and state in FINAL_STATES and ended > 10 and state != "failed"
        expected[delivery_of(f"n{number}")] = (state, not emptied) if kept else None
    before = await dump(tables, LEDGER)
    await run(tables, engine, now(), content_days=10)
    found = {key[-1]: (row["State"], bool(row.get("Pieces"))) for key, row in (await dump(tables, LEDGER)).items()}
    assert {name: found.get(name) for name in expected} == expected
    untouched = {key: row for key, row in before.items() if row["State"] not in FINAL_STATES}
    assert {key: row for key, row in (await dump(tables, LEDGER)).items() if key in untouched} == untouched


async def ended_ago(tables, desk: DeliveryDesk, identity: str, days: int) -> None:
    """As if it had been taken in, and had ended, so long ago."""
    row = await desk.find(identity)
    moment, table = after(-days), await tables.get(LEDGER)
    times = dict.fromkeys(("CreatedAt", "DeliveredAt", "FailedAt"), moment)
    await table.update_entity({"PartitionKey": row.user, "RowKey": row.id, **times})


async def test_an_end_counts_and_not_a_beginning(tables, engine, deliveries):
    await brought_to(deliveries, engine, "late", "waiting")
    table = await tables.get(LEDGER)
    await table.update_entity({"PartitionKey": USER, "RowKey": delivery_of("late"), "CreatedAt": after(-400)})
    await deliveries.cancel("late")
    assert await run(tables, engine, after(1)) == {}
    assert (await deliveries.find("late")).state == "cancelled"


async def test_an_id_that_was_removed_may_be_used_again(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    with pytest.raises(ConflictError):
        await deliveries.submit(notification("one"), "another body")
    await run(tables, engine, after(DAYS + 1))
    row = await deliveries.submit(notification("one"), "another body")
    assert (row.state, row.tries) == ("pending", 0)
    assert (await deliveries.find("one")).content == row.content
    assert [name for _, name, _ in engine.started] == ["notify-one", "notify-one"]


async def test_what_failed_can_be_sent_again_as_long_as_it_is_there(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "failed")
    assert await run(tables, engine, after(DAYS - 1), content_days=1) == {}
    assert await deliveries.redrive(await deliveries.find("one"))
    assert (await deliveries.find("one")).content["text"] == SECRET
    # A later round runs: neither it nor the histories before it are touched.
    assert await run(tables, engine, after(400)) == {}


async def test_histories_of_all_rounds_go(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "failed")
    await deliveries.redrive(await deliveries.find("one"))
    await deliveries.cancel("one")
    engine.show("notify-one!r1", runtime="Terminated")
    assert await run(tables, engine, after(DAYS + 1)) == {"delivery": 1}
    assert sorted(engine.purged) == ["notify-one", "notify-one!r1"]


async def test_what_it_said_goes_before_the_rest(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    row = await deliveries.find("one")
    assert await run(tables, engine, after(8), content_days=7) == {"content": 1}
    assert SECRET not in repr(await dump(tables))
    left = await deliveries.find("one")
    told = ("state", "category", "tries", "channel", "created_at", "delivered_at", "attempts", "on_ambiguous")
    assert [getattr(left, name) for name in told] == [getattr(row, name) for name in told]
    assert (left.emptied, left.erased, left.content) == (True, False, None)
    assert engine.purged == ["notify-one"]
    # It is still known, so that the same id sends nothing twice.
    assert (await deliveries.submit(notification("one"), "body")).state == "delivered"
    assert await run(tables, engine, after(9), content_days=7) == {}
    assert await run(tables, engine, after(DAYS + 1), content_days=7) == {"delivery": 1}


async def test_an_edit_counts_as_an_end(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await ended_ago(tables, deliveries, "one", 400)
    row = await deliveries.find("one")
    row.content, row.edited_at = {"type": "message", "text": "corrected"}, now()
    await deliveries.ledger.save(row, content=True)
    assert await run(tables, engine, after(1), content_days=7) == {}
    assert await run(tables, engine, after(8), content_days=7) == {"content": 1}


async def test_contents_only(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "suppressed")
    assert await run(tables, engine, after(4_000), days=None, content_days=7) == {"content": 1}
    assert (await deliveries.find("one")).state == "suppressed"
    assert await run(tables, engine, after(4_000), days=None) == {}


async def test_one_whose_orchestration_still_runs_is_told_and_left(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "suppressed")
    engine.show("notify-one")
    assert await run(tables, engine, after(DAYS + 1)) == {"left": 1}
    assert engine.events == [("notify-one", "cancel", {"reason": "suppressed"})]
    assert (await deliveries.find("one")).content["text"] == SECRET
    engine.show("notify-one", runtime="Completed")
    assert await run(tables, engine, after(DAYS + 1)) == {"delivery": 1}


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
    told, real, taken = 0, tables.get, None

    async def interrupted(name):
        nonlocal told, taken
        told += 1
        if told == call:
            try:
                taken = await deliveries.submit(notification("one"), "another body")
            except ConflictError:
                taken = False
        return await real(name)

    monkeypatch.setattr(tables, "get", interrupted)
    await run(tables, engine, after(DAYS + 1))
    monkeypatch.setattr(tables, "get", real)
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
    told, real, redriven = 0, tables.get, None

    async def interrupted(name):
        nonlocal told, redriven
        told += 1
        if told == call:
            try:
                redriven = await deliveries.redrive(await deliveries.find("one"))
            except NotFoundError:
                redriven = False
        return await real(name)

    monkeypatch.setattr(tables, "get", interrupted)
    await run(tables, engine, after(DAYS + 1))
    monkeypatch.setattr(tables, "get", real)
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


async def test_a_person_erased_before_leaves_nothing_either(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await erase_user(tables, engine, Entities(), USER, now())
    assert (await deliveries.find("one")).erased
    assert await run(tables, engine, after(8), content_days=7) == {}
    assert (await run(tables, engine, after(DAYS + 1)))["delivery"] == 1
    assert await dump(tables, LEDGER, NOTIFICATIONS) == {}


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


async def test_a_pass_goes_on_where_it_was(tables, engine, deliveries, monkeypatch):
    monkeypatch.setattr(paging, "PAGE", 4)
    for number in range(10):
        await brought_to(deliveries, engine, f"n{number}", "delivered")
    places, done = [], retention.begin(Kept(days=DAYS, content_days=None), after(DAYS + 1))
    while done.stage == "deliveries":
        done = await retention.next_page(tables, engine, done)
        places.append((done.counts["delivery"], done.place is not None))
    assert places == [(4, True), (8, True), (10, False)]


def operation(suffix: str):
    given = {"input": {"text": SECRET}, "user": USER, "conversation": "c", "created_at": now()}
    return OperationRow(id=f"{USER}-{suffix}", operation="external-job", **given)


async def test_operations_go_with_their_histories(tables, engine, desk):
    for suffix, state in (("won", "succeeded"), ("lost", "failed"), ("gone", "cancelled"), ("dead", "terminated")):
        row = operation(suffix)
        await desk.table.insert(row)
        await desk.table.end(row.id, state, SECRET, now())
        engine.show(row.id, runtime="Completed")
    # What may be tried again keeps what it was asked with.
    assert await run(tables, engine, after(8), content_days=7) == {"content": 1}
    assert engine.purged == [operation("won").id]
    assert (await desk.table.get(operation("won").id)).input == {}
    assert (await desk.table.get(operation("lost").id)).input == {"text": SECRET}
    assert await run(tables, engine, after(8), content_days=7) == {}
    assert await run(tables, engine, after(DAYS + 1), content_days=7) == {"operation": 4}
    assert await dump(tables, OPERATIONS) == {}
    assert len(engine.purged) == 4
    desk = type(desk)(desk.table, engine, kept_days=DAYS)
    with pytest.raises(NotFoundError, match="more than 90 days ago was removed"):
        await desk.view(operation("won").id)


async def test_an_operation_that_runs_or_was_written_since_stays(tables, engine, desk):
    row = operation("one")
    await desk.table.insert(row)
    await desk.table.end(row.id, "succeeded", SECRET, now())
    engine.show(row.id)
    assert await run(tables, engine, after(DAYS + 1), content_days=7) == {"left": 1}
    (_, etag), *_ = (await desk.table.ended_page(after(1), None))[0]
    await desk.table.mark(row.id, message_id="m")
    assert not await desk.table.remove(row.id, etag)
    assert (await desk.table.get(row.id)).input == {"text": SECRET}


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


async def test_what_another_task_hub_did_is_left_to_it_for_a_week(tables, config, engine, deliveries, desk):
    await brought_to(deliveries, engine, "one", "delivered")
    await desk.table.insert(operation("one"))
    await desk.table.end(operation("one").id, "succeeded", SECRET, now())
    elsewhere, theirs = Tables(connect(config), "another hub"), type(engine)()
    before = await dump(tables)
    assert await run(elsewhere, theirs, after(DAYS + 6), content_days=7) == {"content": 2}
    assert await run(elsewhere, theirs, after(DAYS + 6)) == {}
    assert (await dump(tables)).keys() == before.keys()
    assert await run(elsewhere, theirs, after(DAYS + 8)) == {"delivery": 1, "operation": 1}
    await elsewhere.close()


async def test_what_was_being_removed_goes_when_the_limit_is_longer_by_then(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await deliveries.ledger.withdraw(await deliveries.find("one"))
    assert await run(tables, engine, after(DAYS + 1), days=400) == {"delivery": 1}
    assert await dump(tables) == {}
