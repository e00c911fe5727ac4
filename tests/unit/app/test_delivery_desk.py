from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from bot_http import notifications
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.desk import (
    LONGEST_UNSEEN,
    LOOK_AGAIN,
    ORPHAN_AGE,
    DeliveryDesk,
    delivery_of,
    public_id,
)
from ringback.delivery.notification import Notification, Stop, instance_of
from ringback.delivery.recovery import recover_deliveries
from ringback.delivery.sending import dead_letter
from ringback.errors import ConflictError, NotFoundError
from ringback.operations.desk import OperationsDesk
from ringback.tables.notifications import Listing, NotificationEntry
from ringback.tables.operations import OperationTable

NONE = timedelta(0)
STOP = Stop(channel="bot", reference="c")


def now() -> datetime:
    return datetime.now(timezone.utc)


def notification(identity: str = "n1", **fields) -> Notification:
    values = {"user": "ann", "category": "orders", "content": {"type": "message", "text": "x"}, **fields}
    return Notification(id=delivery_of(identity), **values)


@pytest.fixture
def desk(tables, engine) -> DeliveryDesk:
    return DeliveryDesk(tables, engine)


async def listed(desk) -> set[str]:
    return {listing.delivery async for listing in desk.index.listed()}


async def fail(desk, row, code="Forbidden"):
    row = await desk.ledger.claim(row, STOP, now())
    row = await desk.ledger.complete(row, SendResult(outcome=Outcome.PERMANENT, code=code), now())
    await desk.letters.put(dead_letter(row))
    return row


async def test_the_row_is_written_and_the_orchestration_started_without_the_content(desk, engine):
    row = await desk.submit(notification(), "body")
    [(orchestrator, instance, payload)] = engine.started
    assert (orchestrator, instance, payload["content"]) == ("deliver", "notify-n1", None)
    stored = await desk.find("n1")
    assert (stored.state, stored.content) == ("pending", {"type": "message", "text": "x"})
    assert (row.id, public_id(row.id)) == ("notify-n1", "n1")
    assert await listed(desk) == {"notify-n1"}


@pytest.mark.parametrize("identity", ["a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x85b", "", "x" * 256])
async def test_what_can_be_no_key_of_a_table_is_not_asked_for(engine, identity):
    """Azure answers such a question with an error of its own, not with 404."""
    nowhere = type("Nowhere", (), {})()
    for door in (DeliveryDesk(nowhere, engine).find, OperationsDesk(OperationTable(nowhere), engine).view):
        with pytest.raises(NotFoundError):
            await door(identity)


async def test_the_same_again_is_once_and_another_body_or_person_does_not_take_the_id(desk, engine):
    await desk.submit(notification(), "body")
    assert (await desk.submit(notification(), "body")).id == "notify-n1"
    with pytest.raises(ConflictError, match="n1"):
        await desk.submit(notification(content={"text": "y"}), "another body")
    # An alias that has come to name somebody else does not make a second message of the same request.
    assert (await desk.submit(notification(user="bob"), "body")).user == "ann"
    assert len(engine.started) == 1
    assert (await desk.seen("n1", "body")).user == "ann"
    assert await desk.seen("n1", "another body") is None


@pytest.mark.parametrize("again", ["request", "timer"])
async def test_a_crash_before_the_start_is_recovered(desk, engine, again):
    engine.broken = True
    with pytest.raises(ConnectionError):
        await desk.submit(notification(), "body")
    assert await listed(desk) == {"notify-n1"}
    engine.broken = False
    row = await desk.find("n1")
    row.created_at -= timedelta(minutes=1)
    if again == "timer":
        assert await recover_deliveries(desk, grace=NONE) == 0
    else:
        # A young row may belong to a door that is starting it: the engine is asked, and starts it once.
        await desk.submit(notification(), "body")
        assert await recover_deliveries(desk, grace=NONE) == 0
    assert [instance for _, instance, _ in engine.started] == ["notify-n1"]
    assert await listed(desk) == {"notify-n1"}


async def test_a_crash_between_index_and_row_is_finished_by_the_same_request_only(desk, engine):
    entry = NotificationEntry(id="n1", delivery="notify-n1", user="ann", body="body")
    assert await desk.index.insert(entry, now())
    await recover_deliveries(desk, grace=NONE)
    assert engine.started == []
    assert await listed(desk) == {"notify-n1"}
    with pytest.raises(NotFoundError):
        await desk.find("n1")
    assert (await desk.submit(notification(), "body")).state == "pending"
    assert len(engine.started) == 1
    assert await listed(desk) == {"notify-n1"}


async def test_a_listing_without_a_row_is_forgotten_after_an_hour_and_one_of_what_has_ended_at_once(desk, engine):
    long_ago = now() - ORPHAN_AGE - timedelta(minutes=1)
    await desk.index.list_open(Listing(delivery="notify-ghost", user="ann", at=long_ago))
    await desk.submit(notification(), "body")
    await desk.ledger.close(notification(), "suppressed", "opted-out: orders", now())
    await recover_deliveries(desk, grace=NONE)
    assert await listed(desk) == set()
    assert len(engine.started) == 1


async def test_one_that_cannot_be_recovered_is_counted_and_logged(desk, engine, caplog):
    engine.broken = True
    with pytest.raises(ConnectionError):
        await desk.submit(notification(), "body")
    assert await recover_deliveries(desk, grace=NONE) == 1
    assert "notify-n1" in caplog.text


@pytest.mark.parametrize("runtime", ["Terminated", "Failed", None])
async def test_what_was_ended_from_outside_is_found_when_somebody_looks(desk, engine, monkeypatch, runtime):
    await desk.submit(notification(), "body")
    assert (await desk.look("n1")).state == "pending"
    monkeypatch.setattr("ringback.delivery.desk.START_GRACE", NONE)
    assert (await desk.look("n1")).state == "pending"
    if runtime is None:
        del engine.instances["notify-n1"]
        assert (await desk.look("n1")).state == "pending"
        assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n1"]
        return
    engine.show("notify-n1", runtime=runtime)
    row = await desk.look("n1")
    assert (row.state, row.code) == ("failed", "stopped")
    assert await desk.redrive(await desk.find("n1"))
    assert engine.started[-1][1] == "notify-n1!r1"
    assert (await desk.look("n1")).state == "pending"


@pytest.mark.parametrize("runtime", ["Terminated", "Failed", "Completed", None])
async def test_what_was_ended_from_outside_is_found_by_the_timer_and_only_once(desk, engine, runtime):
    await desk.submit(notification(), "body")
    await recover_deliveries(desk, grace=NONE)
    assert len(engine.started) == 1
    await due_again(desk)
    if runtime is None:
        del engine.instances["notify-n1"]
    else:
        engine.show("notify-n1", runtime=runtime)
    for _ in range(3):
        await recover_deliveries(desk, grace=NONE)
        await due_again(desk)
    row = await desk.find("n1")
    if runtime is None:
        assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n1"]
        assert row.state == "pending"
        return
    assert (row.state, row.code, len(engine.started)) == ("failed", "stopped", 1)
    assert [letter.code for letter in await desk.letters.page(size=10)] == ["stopped"]
    assert await listed(desk) == set()


async def test_what_runs_is_looked_at_again_only_after_it_should_have_moved(desk):
    later = now() + timedelta(hours=1)
    await desk.submit(notification(), "body")
    await desk.submit(notification("n2", not_before=later), "body")
    await desk.submit(notification("n3", not_before=now() + timedelta(days=9)), "body")
    await recover_deliveries(desk, grace=NONE)
    looks = {listing.delivery: listing.at async for listing in desk.index.listed()}
    assert now() < looks["notify-n1"] <= now() + LOOK_AGAIN
    assert looks["notify-n2"] == later + LOOK_AGAIN
    assert looks["notify-n3"] <= now() + LONGEST_UNSEEN
    assert [listing.delivery async for listing in desk.index.listed(due=now())] == []


async def test_the_end_of_an_earlier_round_takes_nothing_off_the_list_of_a_later_one(desk, engine):
    await desk.redrive(await fail(desk, await desk.submit(notification(), "body")))
    await desk.index.unlist("notify-n1", 0)
    del engine.instances["notify-n1!r1"]
    await recover_deliveries(desk, grace=NONE)
    assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n1!r1", "notify-n1!r1"]


async def test_no_id_is_another_ones_round(desk, engine):
    await desk.submit(notification("n1-r1"), "body")
    await desk.redrive(await fail(desk, await desk.submit(notification(), "body")))
    assert len({instance for _, instance, _ in engine.started}) == 3


async def due_again(desk) -> None:
    """As if the time that the listings wait had passed."""
    for listing in [listing async for listing in desk.index.listed()]:
        await desk.index.list_open(msgspec.structs.replace(listing, at=now()))


async def test_cancelling_writes_the_row_then_wakes_the_waiter(desk, engine):
    later = now() + timedelta(hours=1)
    assert (await desk.submit(notification(not_before=later), "body")).state == "waiting"
    row = await desk.cancel("n1")
    assert (row.state, row.code) == ("cancelled", "cancelled")
    assert engine.events == [("notify-n1", "cancel", {"reason": "cancelled"})]
    assert (await desk.cancel("n1")).state == "cancelled"
    assert len(engine.events) == 1
    # A send that comes to it after all finds that it is over.
    assert (await desk.ledger.find(notification(), now())).is_final


async def test_what_is_being_sent_is_not_cancelled(desk, monkeypatch):
    monkeypatch.setattr("ringback.delivery.desk.SETTLE_SECONDS", 0.2)
    row = await desk.submit(notification(), "body")
    await desk.ledger.claim(row, STOP, now())
    with pytest.raises(ConflictError, match="being sent"):
        await desk.cancel("n1")


async def test_a_failed_one_is_redriven_once_as_a_new_round(desk, engine, config, monkeypatch):
    monkeypatch.setattr(notifications, "settings", lambda: config)
    row = await fail(desk, await desk.submit(notification(), "body"))
    assert [letter.code for letter in await desk.letters.page(size=10)] == ["Forbidden"]
    twice = await desk.find("n1")
    assert await desk.redrive(row)
    assert not await desk.redrive(twice)
    assert not await desk.redrive(await desk.find("n1"))
    assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n1!r1"]
    assert await desk.letters.page(size=10) == []
    stored = await desk.find("n1")
    assert (stored.state, stored.round, stored.code, len(stored.attempts)) == ("pending", 1, None, 1)
    assert stored.failed_at is None
    assert "endedAt" not in notifications.shown(stored)
    await desk.cancel("n1")
    assert engine.events[-1][0] == instance_of("notify-n1", 1)


async def test_a_redrive_that_died_before_its_start_is_recovered(desk, engine):
    row = await fail(desk, await desk.submit(notification(), "body"))
    engine.broken = True
    with pytest.raises(ConnectionError):
        await desk.redrive(row)
    engine.broken = False
    await recover_deliveries(desk, grace=NONE)
    assert engine.started[-1][1] == "notify-n1!r1"


async def test_a_redrive_that_died_before_it_took_the_letter_away_leaves_that_to_the_timer(desk, engine, monkeypatch):
    async def dead(_):
        raise ConnectionError("the process is gone")

    row = await fail(desk, await desk.submit(notification(), "body"))
    with monkeypatch.context() as patch:
        patch.setattr(desk.letters, "remove", dead)
        with pytest.raises(ConnectionError):
            await desk.redrive(row)
    assert len(await desk.letters.page(size=10)) == 1
    await recover_deliveries(desk, grace=NONE)
    assert await desk.letters.page(size=10) == []
    assert [instance for _, instance, _ in engine.started] == ["notify-n1", "notify-n1!r1"]


async def test_an_orchestration_that_was_ended_between_row_and_letter_leaves_the_letter_to_the_timer(desk, engine):
    row = await desk.ledger.claim(await desk.submit(notification(), "body"), STOP, now())
    await desk.ledger.complete(row, SendResult(outcome=Outcome.PERMANENT, code="Forbidden"), now())
    engine.show("notify-n1", runtime="Terminated")
    await recover_deliveries(desk, grace=NONE)
    assert [letter.code for letter in await desk.letters.page(size=10)] == ["Forbidden"]
    assert await listed(desk) == set()


async def test_an_operations_delivery_is_found_by_its_own_id(desk):
    own = msgspec.structs.replace(notification(), id="ann-1234-result")
    await desk.ledger.close(own, "suppressed", "unknown: nobody", now())
    assert (await desk.find("ann-1234-result")).state == "suppressed"
    for unknown in ("n2", "bob-1234-result", "x"):
        with pytest.raises(NotFoundError):
            await desk.find(unknown)


async def test_dead_letters_are_paged_newest_first_and_filtered(desk):
    start, letters = now(), []
    for number in range(5):
        row = await desk.submit(notification(f"n{number}", category="odd" if number % 2 else "even"), "body")
        row = await fail(desk, row, code="Gone" if number < 2 else "Forbidden")
        letters.append(dead_letter(row))
        await desk.letters.put(letters[-1])
    newest = [letter.delivery for letter in reversed(letters)]
    first = await desk.letters.page(size=3)
    rest = await desk.letters.page(size=3, after=first[-1].key)
    assert [letter.delivery for letter in (*first, *rest)] == newest
    assert [letter.delivery for letter in await desk.letters.page(code="Gone", size=9)] == newest[3:]
    assert len(await desk.letters.page(category="odd", code="Forbidden", size=9)) == 1
    assert len(await desk.letters.page(since=letters[3].failed_at, size=9)) == 2
    assert len(await desk.letters.page(since=start, size=9)) == 5
    assert await desk.letters.page(since=now() + timedelta(seconds=5), size=9) == []
