from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ringback.operations.desk import OperationsDesk
from ringback.operations.recovery import recover_all
from ringback.tables.operations import OperationRow, OperationTable
from ringback.tables.service import OPEN_OPERATIONS, Tables, connect
from tests.unit.app.conftest import Engine

NONE = timedelta(0)


def row(suffix: str, age: timedelta = timedelta(minutes=1), **fields) -> OperationRow:
    now = datetime.now(timezone.utc)
    return OperationRow(
        id=f"ann-{suffix}", operation="external-job", created_at=now - age, user="ann", conversation="c", **fields
    )


async def listed(desk):
    return {identity async for identity, _ in desk.table.listed_open()}


async def test_a_row_whose_orchestration_never_started_is_started_once(desk, engine):
    await desk.table.insert(row("one", input={"text": "x"}))
    await recover_all(desk)
    await recover_all(desk)
    [(orchestrator, instance, payload)] = engine.started
    assert (orchestrator, instance, payload["input"]) == ("long_operation", "ann-one", {"text": "x"})


async def test_a_row_that_was_started_but_not_marked_is_not_started_again(desk, engine):
    await desk.table.insert(row("one"))
    engine.show("ann-one")
    await recover_all(desk)
    assert engine.started == []
    assert await listed(desk) == {"ann-one"}


async def test_a_young_row_is_left_to_its_door(desk, engine):
    await desk.table.insert(row("one", age=NONE))
    await recover_all(desk, grace=NONE)
    assert engine.started == []


@pytest.mark.parametrize("runtime", ["Terminated", "Failed", "Completed", None])
async def test_what_ended_without_a_word_is_closed_and_told_once(desk, engine, runtime):
    await desk.begin(row("one"))
    if runtime is None:
        del engine.instances["ann-one"]
    else:
        engine.show("ann-one", runtime=runtime)
    await recover_all(desk)
    await recover_all(desk)
    assert [orchestrator for orchestrator, _, _ in engine.started] == ["long_operation", "deliver"]
    assert (await desk.table.get("ann-one")).state == "terminated"
    assert await listed(desk) == set()


async def test_a_listing_without_a_row_is_forgotten_after_an_hour(desk, tables):
    table = await tables.get(OPEN_OPERATIONS)
    for name, age in (("old", timedelta(hours=2)), ("young", timedelta(minutes=5))):
        created = datetime.now(timezone.utc) - age
        await table.create_entity({"PartitionKey": "open", "RowKey": name, "CreatedAt": created})
    await recover_all(desk)
    assert await listed(desk) == {"young"}


async def test_a_listing_that_outlived_its_row_is_forgotten(desk, tables):
    await desk.table.insert(row("one"))
    await desk.table.end("ann-one", "succeeded", "fine", datetime.now(timezone.utc))
    table = await tables.get(OPEN_OPERATIONS)
    created = datetime.now(timezone.utc) - timedelta(minutes=1)
    await table.create_entity({"PartitionKey": "open", "RowKey": "ann-one", "CreatedAt": created})
    await recover_all(desk)
    assert await listed(desk) == set()


async def test_one_that_cannot_be_recovered_does_not_hold_up_the_others(desk, engine, caplog):
    await desk.table.insert(row("one"))
    engine.broken = True
    assert await recover_all(desk) == 1
    assert "ann-one" in caplog.text


async def test_what_another_task_hub_runs_is_left_to_it(desk, engine, config):
    await desk.begin(row("one"))
    tables, theirs = Tables(connect(config), "another hub"), Engine()
    elsewhere = OperationsDesk(OperationTable(tables), theirs)
    await recover_all(elsewhere)
    assert (await elsewhere.look(await elsewhere.table.get("ann-one"))).row.is_open
    assert theirs.started == []
    await tables.close()
    assert [orchestrator for orchestrator, _, _ in engine.started] == ["long_operation"]
    assert (await desk.table.get("ann-one")).state == "running"


async def test_of_two_task_hubs_that_are_asked_at_once_one_runs_it(desk, engine, config):
    assert await desk.table.insert(row("one"))
    tables, theirs = Tables(connect(config), "another hub"), Engine()
    assert not await OperationsDesk(OperationTable(tables), theirs).begin(row("one"))
    await tables.close()
    assert theirs.started == []
    # Its own hub does start what a crash left unstarted.
    assert not await desk.begin(row("one"))
    assert [orchestrator for orchestrator, _, _ in engine.started] == ["long_operation"]
