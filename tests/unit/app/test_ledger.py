from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from ringback.channels.port import Outcome, SendResult
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import MAX_ATTEMPTS, MAX_CODE, Attempt
from ringback.delivery.notification import Notification, Stop
from ringback.errors import RetryableError

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
NOTIFICATION = Notification(id="op-1-result", user="u", conversation="c", category="operations", content={"text": "x"})
HELD = msgspec.structs.replace(NOTIFICATION, on_ambiguous="hold")
STOP = Stop(channel="bot", reference="c")


def said(outcome: str, code: str | None = None, activity_id: str | None = None) -> SendResult:
    return SendResult(outcome=Outcome(outcome), code=code, activity_id=activity_id)


@pytest.fixture
def ledger(tables) -> Ledger:
    return Ledger(tables)


async def claim(ledger, notification=NOTIFICATION, stop=STOP):
    return await ledger.claim(await ledger.find(notification, NOW), stop, NOW)


async def test_a_delivery_is_claimed_then_completed(ledger):
    row = await claim(ledger)
    assert (await ledger.get("u", "op-1-result")).state == "sending"
    await ledger.complete(row, said("delivered", None, "activity-7"), NOW + timedelta(seconds=3))
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.activity_id, stored.ambiguous) == ("delivered", "activity-7", 0)
    assert (stored.channel, stored.reference, stored.latency) == ("bot", "c", 3.0)
    assert [attempt.outcome for attempt in stored.attempts] == ["delivered"]
    assert stored.content == {"text": "x"}
    assert stored.created_at == NOW


async def test_a_permanent_answer_ends_the_delivery_only_by_the_last_way(ledger):
    row = await ledger.complete(await claim(ledger), said("permanent", "Blocked"), NOW, last=False)
    assert (row.state, row.code) == ("pending", "Blocked")
    row = await claim(ledger, stop=Stop(channel="sms", reference="p"))
    row = await ledger.complete(row, said("permanent", "NoNumber"), NOW)
    assert (row.state, row.code, row.failed_at) == ("failed", "NoNumber", NOW)
    stored = await ledger.get("u", "op-1-result")
    assert [(attempt.channel, attempt.code) for attempt in stored.attempts] == [("bot", "Blocked"), ("sms", "NoNumber")]
    assert stored.is_final


@pytest.mark.parametrize("activity_id", ["x" * 40_000, "\N{GRINNING FACE}" * 40_000])
async def test_no_id_of_a_channel_keeps_a_delivery_from_being_known(ledger, activity_id):
    await ledger.complete(await claim(ledger), said("delivered", None, activity_id), NOW)
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.activity_id) == ("delivered", None)


@pytest.mark.parametrize("character", ["x", '"', "\0", "\N{GRINNING FACE}"])
async def test_no_code_of_a_channel_makes_the_list_of_tries_too_long(ledger, character):
    row = await claim(ledger)
    row.attempts = [Attempt(at=NOW, outcome="ambiguous", code=character * MAX_CODE)] * MAX_ATTEMPTS
    await ledger.save(row)
    await ledger.complete(await claim(ledger), said("delivered", character * 5_000), NOW)
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.attempts[-1].outcome) == ("delivered", "delivered")
    assert len(stored.attempts) > 30


async def test_a_try_that_died_before_its_answer_was_written_is_ambiguous_and_counted(ledger):
    await claim(ledger)
    row = await claim(ledger)
    assert row.state == "sending"
    await ledger.complete(row, said("delivered", None, "a"), NOW)
    stored = await ledger.get("u", "op-1-result")
    assert [(attempt.outcome, attempt.code) for attempt in stored.attempts] == [
        ("ambiguous", "interrupted"),
        ("delivered", None),
    ]
    assert (stored.ambiguous, stored.tries) == (1, 2)


async def test_hold_keeps_back_what_may_have_arrived(ledger):
    await claim(ledger, HELD)
    row = await claim(ledger, HELD)
    assert (row.state, row.is_final, row.ambiguous) == ("ambiguous", True, 1)
    other = msgspec.structs.replace(HELD, id="other")
    row = await ledger.complete(await claim(ledger, other), said("ambiguous", "NoAnswer"), NOW)
    assert (row.state, row.ambiguous) == ("ambiguous", 1)
    third = msgspec.structs.replace(HELD, id="third")
    await claim(ledger, third)
    assert (await ledger.close(third, "failed", "gave-up: x", NOW)).state == "ambiguous"


async def test_a_throttled_try_is_pending_and_claimed_again_without_being_ambiguous(ledger):
    await ledger.complete(await claim(ledger), said("retry", "429"), NOW)
    assert (await ledger.get("u", "op-1-result")).state == "pending"
    row = await claim(ledger)
    assert (row.state, row.ambiguous, len(row.attempts)) == ("sending", 0, 2)


async def test_two_processes_never_both_complete_one_claim(ledger):
    first = await claim(ledger)
    await claim(ledger)
    with pytest.raises(RetryableError, match="another process"):
        await ledger.complete(first, said("delivered", None, "a"), NOW)


async def test_two_processes_never_both_claim(ledger):
    one, two = await ledger.find(NOTIFICATION, NOW), await ledger.find(NOTIFICATION, NOW)
    await ledger.claim(one, STOP, NOW)
    with pytest.raises(RetryableError, match="another process"):
        await ledger.claim(two, STOP, NOW)


async def test_a_row_that_was_removed_since_it_was_read_is_another_ones_write(ledger):
    row = await claim(ledger)
    assert await ledger.remove(await ledger.get(row.user, row.id))
    with pytest.raises(RetryableError):
        await ledger.complete(row, said("delivered"), NOW)


async def test_what_wakes_up_after_its_row_was_removed_for_its_age_stores_nothing_again(ledger):
    woken = msgspec.structs.replace(NOTIFICATION, content=None)
    assert (await ledger.find(woken, NOW)).is_over(woken.round)
    assert (await ledger.hold(woken, NOW, "quiet-hours", NOW)).state == "cancelled"
    assert (await ledger.close(woken, "failed", "gave-up", NOW)).state == "cancelled"
    assert await ledger.get(woken.user, woken.id) is None


async def test_what_the_channel_said_outlives_an_end_by_the_same_code(ledger):
    refused = SendResult(outcome=Outcome.PERMANENT, code="Blocked", detail="the person has blocked the bot")
    await ledger.complete(await claim(ledger), refused, NOW, last=False)
    row = await ledger.close(NOTIFICATION, "failed", "Blocked", NOW)
    assert (row.state, row.code, row.detail) == ("failed", "Blocked", "the person has blocked the bot")


async def test_a_delivery_is_closed_once(ledger):
    await ledger.close(NOTIFICATION, "suppressed", "opted-out: news", NOW)
    await ledger.close(NOTIFICATION, "failed", "late", NOW)
    await ledger.hold(NOTIFICATION, NOW, "quiet", NOW)
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.code, stored.detail) == ("suppressed", "opted-out", "opted-out: news")


async def test_what_waits_says_until_when_and_nothing_stale_stays_after_it(ledger):
    until = NOW + timedelta(hours=7)
    await ledger.hold(NOTIFICATION, until, "quiet-hours: until 07:00", NOW)
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.waiting_until, stored.code) == ("waiting", until, "quiet-hours")
    await ledger.complete(await claim(ledger), said("delivered", None, "a"), until)
    stored = await ledger.get("u", "op-1-result")
    assert (stored.state, stored.code, stored.detail) == ("delivered", None, None)


async def test_content_larger_than_one_property_is_kept_whole(ledger):
    big = msgspec.structs.replace(NOTIFICATION, content={"text": "ü" * 70_000}, channels=("bot", "sms"))
    await claim(ledger, big)
    stored = await ledger.get("u", "op-1-result")
    assert stored.content == big.content
    assert stored.notification.channels == ("bot", "sms")


async def test_after_hundreds_of_tries_the_row_still_fits(ledger):
    for _ in range(210):
        await ledger.complete(await claim(ledger), said("retry", "ServiceUnavailable"), NOW)
    stored = await ledger.get("u", "op-1-result")
    assert (len(stored.attempts), stored.tries) == (MAX_ATTEMPTS, 210)


async def test_as_many_attempts_as_are_kept_fit_into_the_row(ledger):
    refused = SendResult(outcome=Outcome.RETRY, code="x" * 500, status=503)
    row = await claim(ledger)
    row.attempts = [msgspec.structs.replace(row.attempts[0], channel="email") for _ in range(MAX_ATTEMPTS + 1)]
    for attempt in row.attempts:
        attempt.outcome, attempt.code, attempt.status, attempt.latency = "permanent", "x" * MAX_CODE, 503, 1234.567
    row = await ledger.complete(row, refused, NOW.replace(microsecond=123456), took=1234.567)
    assert len((await ledger.get("u", "op-1-result")).attempts) == MAX_ATTEMPTS
    assert len(row.code) == MAX_CODE
