"""Purges of many instances: in steps, between which the host goes on; the count is right, the file whole at any time."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import pytest
from aiohttp.test_utils import make_mocked_request

from local.host import jsontext
from local.host.client_binding import ROOT, ClientUrls
from local.host.clock import stamp
from local.host.management import ManagementApi
from tests.unit.host.world import BEGIN, SECOND, World

COUNT = 1500
app = df.DFApp()


@pytest.fixture
def world(worlds) -> World:
    """With finished instances, one created a second, of which every third has failed; and one that runs."""
    made = worlds(app)
    rows = [(f"i{n:05}", "e", "f", 3 if n % 3 == 0 else 1, BEGIN + n * SECOND) for n in range(COUNT)]
    with made.database.transaction() as run:
        for row in [*rows, ("runs", "e", "f", 0, BEGIN)]:
            run("INSERT INTO instances (id, execution, name, status, created, updated) VALUES (?, ?, ?, ?, ?, 0)", row)
            run("INSERT INTO history VALUES (?, 0, '')", (row[0],))
    made.clock.freeze(BEGIN + COUNT * SECOND)
    return made


async def delete(world: World, **query: str) -> tuple[int, Any]:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    request = make_mocked_request("DELETE", f"{ROOT}/instances?{text}")
    answer = await ManagementApi(world.client, world.services, ClientUrls("hub", "Storage", "")).handle(request, ROOT)
    return answer.status, jsontext.loads(answer.body) if answer.body else None


def left(world: World) -> int:
    """How many of the fixture's instances are there, each of them whole."""
    orphans = "SELECT COUNT(*) FROM history WHERE instance NOT IN (SELECT id FROM instances)"
    assert world.database.rows(orphans) == [(0,)]
    return world.database.rows("SELECT COUNT(*) FROM history")[0][0]


def at(second: int) -> str:
    return stamp(BEGIN + second * SECOND)


@pytest.mark.parametrize(
    ("query", "deleted"),
    [
        ({}, COUNT),
        ({"runtimeStatus": "Failed"}, COUNT // 3),
        ({"createdTimeFrom": at(1000)}, COUNT - 1000),
        ({"createdTimeTo": at(399)}, 400),
        ({"createdTimeFrom": at(200), "createdTimeTo": at(399), "runtimeStatus": "Completed,Failed"}, 200),
        ({"createdTimeFrom": at(COUNT)}, None),
        ({"runtimeStatus": "Running"}, None),
    ],
    ids=str,
)
async def test_the_count_is_right(world: World, query: dict[str, str], deleted: int | None) -> None:
    expected = (404, None) if deleted is None else (200, {"instancesDeleted": deleted})
    assert await delete(world, **{"createdTimeFrom": at(0), **query}) == expected
    assert left(world) == COUNT + 1 - (deleted or 0)


async def test_others_go_on_meanwhile_and_what_they_start_stays(world: World) -> None:
    purge = asyncio.get_running_loop().create_task(delete(world, createdTimeFrom=at(0)))
    started = []
    while not purge.done():
        await asyncio.sleep(0)
        if 1 < left(world) <= COUNT:
            started.append(await world.client.start_soon("f", None, None))
    assert started, "nothing else was done before the purge had ended"
    assert purge.result() == (200, {"instancesDeleted": COUNT})
    assert all(world.client.get(instance_id) is not None for instance_id in started)


async def test_one_that_is_broken_off_has_done_whole_steps(world: World) -> None:
    purge = asyncio.get_running_loop().create_task(delete(world, createdTimeFrom=at(0)))
    while left(world) == COUNT + 1:
        await asyncio.sleep(0)
    purge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await purge
    rest = left(world)
    assert 1 < rest < COUNT + 1
    assert await delete(world, createdTimeFrom=at(0)) == (200, {"instancesDeleted": rest - 1})


async def test_clearing_what_has_not_ended_goes_in_steps_too(world: World) -> None:
    with world.database.transaction() as run:
        run("UPDATE instances SET status = 0 WHERE id > 'i00500'")
    assert await world.client.clear() == COUNT - 501 + 1
    assert left(world) == 501
