"""A delivery that this process has just opened is claimed without being read, and never against what others wrote."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification, Stop
from ringback.errors import RetryableError
from ringback.tables.service import Tables, connect

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
NOTIFICATION = Notification(id="notify-7", user="u", category="news", content={"text": "x"})
STOP = Stop(channel="bot", reference="c")


@pytest.fixture
async def ledger(tables) -> Ledger:
    found = Ledger(tables)
    await found.open(new_row(NOTIFICATION, NOW))
    return found


@pytest.fixture
async def elsewhere(config) -> Ledger:
    other = Tables(connect(config))
    yield Ledger(other)
    await other.close()


async def cancel(ledger: Ledger) -> None:
    row = await ledger.get("u", "notify-7")
    row.state = "cancelled"
    await ledger.save(row)


async def test_it_is_claimed_and_completed_without_being_read(ledger, tables, monkeypatch):
    async def get(*_: object) -> None:
        raise AssertionError("read")

    worker = Ledger(tables)
    monkeypatch.setattr(worker, "get", get)
    row = await worker.claim(await worker.find(NOTIFICATION, NOW), STOP, NOW)
    assert (row.state, row.content, row.created_at, row.tries) == ("sending", {"text": "x"}, NOW, 1)
    assert (await ledger.get("u", "notify-7")).state == "sending"


async def test_what_another_process_wrote_since_is_found_by_the_next_try(ledger, elsewhere):
    await cancel(elsewhere)
    row = await ledger.find(NOTIFICATION, NOW)
    with pytest.raises(RetryableError):
        await ledger.claim(row, STOP, NOW)
    assert (await ledger.find(NOTIFICATION, NOW)).state == "cancelled"


async def test_what_this_process_wrote_since_is_found_at_once(ledger, tables):
    await cancel(Ledger(tables))
    assert (await ledger.find(NOTIFICATION, NOW)).state == "cancelled"


async def test_a_second_look_reads(ledger, elsewhere):
    first = await ledger.find(NOTIFICATION, NOW)
    await cancel(elsewhere)
    assert (first.state, (await ledger.find(NOTIFICATION, NOW)).state) == ("pending", "cancelled")


async def test_what_the_opener_goes_on_to_do_with_its_row_is_its_own_affair(tables):
    ledger, row = Ledger(tables), new_row(NOTIFICATION, NOW)
    await ledger.open(row)
    row.state = "cancelled"
    assert (await ledger.find(NOTIFICATION, NOW)).state == "pending"


async def test_what_is_to_wait_is_not_kept_in_memory(tables, elsewhere):
    ledger, row = Ledger(tables), new_row(NOTIFICATION, NOW)
    row.state = "waiting"
    await ledger.open(row)
    await cancel(elsewhere)
    assert (await ledger.find(NOTIFICATION, NOW)).state == "cancelled"
