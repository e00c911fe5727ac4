"""What waits for a person is woken when they change what they wish."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ringback.delivery import waiting
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import Notification
from ringback.delivery.person import Given, Registration, Word
from ringback.delivery.preferences import RateWish, Wish
from ringback.delivery.recovery import recover_errands
from ringback.delivery.waiting import tell_and_wake
from ringback.tables.errands import ErrandTable
from ringback.tables.service import Tables, connect
from tests.unit.app.people import NOW, Entities, ask, writer

NONE = timedelta(0)
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def entities() -> Entities:
    return Entities()


@pytest.fixture
async def waits(tables, engine) -> None:
    """One delivery for each reason to wait, one on its way to the gate, one that has ended."""
    ledger = Ledger(tables)
    for name, reason in (("quiet", "quiet-hours: …"), ("rate", "rate: …"), ("early", "not-before")):
        await ledger.hold(Notification(id=name, user="ann", category="orders", content={}), LATER, reason, NOW)
        engine.show(name)
    pending = Notification(id="new", user="ann", category="orders", round=2, content={})
    row = await ledger.find(pending, NOW)
    row.round = 2
    await ledger.open(row)
    engine.show("new!r2")
    await ledger.close(
        Notification(id="ended", user="ann", category="orders", content={}), "suppressed", "unknown", NOW
    )
    engine.show("ended")


def woken(engine) -> set[str]:
    return {instance for instance, event, _ in engine.events if event == "ask-again"}


async def errands(tables) -> list[tuple[str, str]]:
    return [(errand.kind, errand.user) async for errand in ErrandTable(tables).listed()]


@pytest.mark.parametrize(
    ("operation", "word", "expected"),
    [
        ("prefer", Wish(quiet_hours=[]), {"quiet", "new!r2"}),
        ("prefer", Wish(rates={"*": RateWish(50, 60)}), {"quiet", "rate", "new!r2"}),
        ("prefer", Wish(channels=["sms", "bot"]), {"quiet", "new!r2"}),
        ("opt_in", Word(at=NOW), {"quiet", "new!r2"}),
        ("consent", Given(channel="sms", at=NOW), {"quiet", "new!r2"}),
        ("register", Registration(addresses={"sms": "sms-1"}), {"quiet", "new!r2"}),
        ("opt_out", Word(category="news", at=NOW), set()),
    ],
)
async def test_a_change_wakes_what_it_may_concern(tables, engine, entities, waits, operation, word, expected):
    await tell_and_wake(tables, engine, entities, "ann", [(operation, word)])
    assert [told for _, told, _ in entities.told] == [operation]
    assert woken(engine) == expected
    assert await errands(tables) == []


async def test_a_process_that_dies_after_telling_leaves_the_waking_to_the_timer(tables, engine, entities, waits):
    async def dead(*_):
        raise ConnectionError("the process is gone")

    engine.raise_event, alive = dead, engine.raise_event
    with pytest.raises(ConnectionError):
        await tell_and_wake(tables, engine, entities, "ann", [("prefer", Wish(quiet_hours=[]))])
    assert await errands(tables) == [("wake", "ann")]
    # A young errand is a door's that may be at it.
    assert await recover_errands(tables, engine, entities) == 0
    assert await recover_errands(tables, engine, entities, grace=NONE) == 1
    assert await errands(tables) == [("wake", "ann")]
    engine.raise_event = alive
    assert await recover_errands(tables, engine, entities, grace=NONE) == 0
    assert woken(engine) == {"quiet", "rate", "new!r2"}
    assert await errands(tables) == []


async def test_an_errand_that_was_asked_for_again_is_not_done(tables):
    table, now = ErrandTable(tables), datetime.now(timezone.utc)
    first = await table.add("wake", "ann", now)
    second = await table.add("wake", "ann", now - timedelta(hours=1))
    assert second.at == now
    await table.done(first)
    assert await errands(tables) == [("wake", "ann")]
    await table.done(second)
    assert await errands(tables) == []


async def test_more_than_a_turn_of_the_bot_can_wake_is_left_to_the_timer(tables, engine, entities, waits, monkeypatch):
    monkeypatch.setattr(waiting, "WOKEN_AT_A_TURN", 1)
    await tell_and_wake(tables, engine, entities, "ann", [("prefer", Wish(quiet_hours=[]))])
    assert len(woken(engine)) == 1
    assert await errands(tables) == [("wake", "ann")]
    await recover_errands(tables, engine, entities, grace=NONE)
    assert woken(engine) == {"quiet", "rate", "new!r2"}
    assert await errands(tables) == []


def test_a_new_rate_voids_the_times_that_were_promised_at_the_old_one():
    state = writer()
    entities = Entities()
    entities.states["ann"] = state
    entities.do("ann", "prefer", Wish(rates={"*": RateWish(1, 3600)}))
    assert [ask(state).decision for _ in range(4)] == ["send", "wait", "wait", "wait"]
    entities.do("ann", "prefer", Wish(rates={"*": RateWish(1, 60)}))
    assert ask(state).until <= NOW + timedelta(seconds=61)


async def test_an_errand_of_another_task_hub_is_left_to_it(tables, config):
    await ErrandTable(tables).add("wake", "ann", datetime.now(timezone.utc))
    elsewhere = Tables(connect(config), "another hub")
    assert await errands(elsewhere) == []
    assert await errands(tables) == [("wake", "ann")]
    await elsewhere.close()
