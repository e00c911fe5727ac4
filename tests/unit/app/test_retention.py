"""What is removed for its age, what stays, and what is never touched, over the real table protocol."""

from __future__ import annotations

import random

import pytest

from ringback import metrics, retention
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.erasure import erase_user
from ringback.delivery.ledger_row import FINAL_STATES
from ringback.errors import ConflictError, NotFoundError
from ringback.retention import Kept
from ringback.tables import paging
from ringback.tables.operations import OperationRow
from ringback.tables.service import ENGAGEMENT, LEDGER, NOTIFICATIONS, OPERATIONS, Tables, connect
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


async def test_a_person_erased_before_leaves_nothing_either(tables, engine, deliveries):
    await brought_to(deliveries, engine, "one", "delivered")
    await erase_user(tables, engine, Entities(), USER, now())
    assert (await deliveries.find("one")).erased
    assert await run(tables, engine, after(8), content_days=7) == {}
    assert (await run(tables, engine, after(DAYS + 1)))["delivery"] == 1
    assert await dump(tables, LEDGER, NOTIFICATIONS) == {}


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
