from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from ringback.delivery.pace import parse_windows
from ringback.delivery.throttle import Throttle, ThrottledError
from ringback.settings import ThrottleSettings
from ringback.tables.throttle import ThrottleTable
from tests.unit.app.test_pace import most_within
from tests.unit.app.test_reference import make_reference


class CountingTable(ThrottleTable):
    writes = 0

    async def put(self, key, record, etag):
        self.writes += 1
        return await super().put(key, record, etag)


def two(tables, config, **limits):
    """Two processes' leases over one table."""
    throttle = ThrottleSettings(**{name: parse_windows(text, "X") for name, text in limits.items()})
    config = msgspec.structs.replace(config, throttle=throttle)
    return [Throttle(CountingTable(tables), config) for _ in range(2)]


async def lease(throttle, reference, sent):
    while True:
        try:
            await throttle.lease(reference)
        except ThrottledError as error:
            await asyncio.sleep(min(error.seconds, 0.5))
            continue
        sent.append(time.time())
        return


async def test_two_processes_keep_one_apps_limit_with_few_writes(tables, config):
    both, sent = two(tables, config, app="50/1", conversation="off"), []
    jobs = [lease(both[number % 2], make_reference(conversation_id=f"c{number}"), sent) for number in range(140)]
    await asyncio.gather(*jobs)
    assert most_within(sorted(sent), 1.0) <= 50
    assert sent[-1] - sent[0] < 8
    assert sum(throttle._table.writes for throttle in both) < len(sent) / 2


async def test_two_processes_keep_one_conversations_limits(tables, config):
    both, sent = two(tables, config, app="off", conversation="5/0.5,7/1"), []
    reference = make_reference()
    await asyncio.gather(*(lease(both[number % 2], reference, sent) for number in range(21)))
    sent.sort()
    assert most_within(sent, 0.5) <= 5
    assert most_within(sent, 1.0) <= 7


async def test_who_would_wait_for_long_is_told_when_to_come_again(tables, config):
    [throttle, other] = two(tables, config, app="off", conversation="1/60")
    await throttle.lease(make_reference())
    for each in (throttle, other):
        with pytest.raises(ThrottledError) as caught:
            await each.lease(make_reference())
        assert 50 < caught.value.seconds < 130
    await other.lease(make_reference(conversation_id="elsewhere"))


async def test_a_busy_process_takes_a_block_and_what_it_leaves_goes_stale(tables, config):
    throttle, _ = two(tables, config, app="50/1", conversation="off")
    reference = make_reference()
    for _ in range(12):
        await throttle.lease(reference)
    assert throttle._table.writes <= 5
    [shelf] = throttle._shelves.values()
    await asyncio.sleep(1.0)
    writes = throttle._table.writes
    await throttle.lease(reference)
    assert throttle._table.writes == writes + 1
    assert not throttle.late(time.time() + 1)
    assert throttle.late(time.time() - 1)
    assert shelf.waiting == []


@pytest.mark.parametrize("limits", [{"conversation": "off"}, {"app": "off"}])
async def test_a_host_whose_clock_is_hours_ahead_holds_nobody_up_for_hours(tables, config, limits):
    wrong, right = two(tables, config, **{"app": "2/1", "conversation": "2/1,1800/3600", **limits})
    wrong._clock = lambda: time.time() + 7200
    for _ in range(2):
        await wrong.lease(make_reference())
    for _ in range(2):
        await asyncio.wait_for(right.lease(make_reference()), 60)
    for key in right._shelves:
        record, _ = await right._table.get(key)
        assert record.recent[-1] < time.time() + 60


async def test_a_clock_that_is_set_back_makes_nobody_wait_until_it_is_there_again(tables, config):
    throttle, _ = two(tables, config, app="50/1", conversation="7/1")
    ahead = 7200.0
    throttle._clock = lambda: time.time() + ahead
    for number in range(8):
        await throttle.lease(make_reference(conversation_id=f"c{number % 2}"))
    ahead = 0.0
    for number in range(8):
        await asyncio.wait_for(throttle.lease(make_reference(conversation_id=f"c{number % 2}")), 60)
