from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import Notification
from ringback.errors import RetryableError

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
NOTIFICATION = Notification(id="op-1-result", user="u", conversation="c", category="operations", content={"text": "x"})


@pytest.fixture
def ledger(tables) -> Ledger:
    return Ledger(tables)


async def test_a_delivery_is_claimed_then_completed(ledger):
    row = await ledger.claim(NOTIFICATION, NOW)
    assert (await ledger.get("u", "op-1-result")).state == "sending"
    await ledger.complete(row, "delivered", None, "activity-7")
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.activity_id, stored.ambiguous) == ("delivered", "activity-7", 0)
    assert [attempt.outcome for attempt in stored.attempts] == ["delivered"]


@pytest.mark.parametrize(("outcome", "state"), [("delivered", "delivered"), ("permanent", "failed")])
async def test_what_has_ended_is_not_claimed_again(ledger, outcome, state):
    await ledger.complete(await ledger.claim(NOTIFICATION, NOW), outcome, "x", None)
    again = await ledger.claim(NOTIFICATION, NOW)
    assert again.state == state
    assert len(again.attempts) == 1


async def test_a_try_that_died_before_its_answer_was_written_is_ambiguous_and_counted(ledger):
    await ledger.claim(NOTIFICATION, NOW)
    row = await ledger.claim(NOTIFICATION, NOW)
    assert row.state == "sending"
    await ledger.complete(row, "delivered", None, "a")
    stored = await ledger.get("u", "op-1-result")
    assert [(attempt.outcome, attempt.code) for attempt in stored.attempts] == [
        ("ambiguous", "interrupted"),
        ("delivered", None),
    ]
    assert stored.ambiguous == 1


async def test_a_throttled_try_is_pending_and_claimed_again_without_being_ambiguous(ledger):
    await ledger.complete(await ledger.claim(NOTIFICATION, NOW), "retry", "429", None)
    assert (await ledger.get("u", "op-1-result")).state == "pending"
    row = await ledger.claim(NOTIFICATION, NOW)
    assert (row.state, row.ambiguous, len(row.attempts)) == ("sending", 0, 2)


async def test_two_processes_never_both_complete_one_claim(ledger):
    first = await ledger.claim(NOTIFICATION, NOW)
    await ledger.claim(NOTIFICATION, NOW)
    with pytest.raises(RetryableError, match="another process"):
        await ledger.complete(first, "delivered", None, "a")


async def test_a_delivery_is_closed_once(ledger):
    await ledger.close(NOTIFICATION, "suppressed", "opted out")
    await ledger.close(NOTIFICATION, "failed", "late")
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.code) == ("suppressed", "opted out")


async def test_after_hundreds_of_tries_the_row_still_fits(ledger):
    for _ in range(210):
        row = await ledger.claim(NOTIFICATION, NOW)
        await ledger.complete(row, "retry", "ServiceUnavailable", None)
    assert len((await ledger.get("u", "op-1-result")).attempts) == 200
