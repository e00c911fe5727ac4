"""Who is rung back with an operation that another system starts for them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import azure.functions as func
import pytest

import bot_http.operations as door
from ringback import ids
from ringback.operations.desk import DELIVER
from ringback.tables.aliases import AliasTable, external_alias
from ringback.tables.operations import OperationTable
from ringback.tables.references import ReferenceTable
from ringback.tables.users import UserTable
from tests.unit.app.people import NOW, reference


@pytest.fixture
async def start(tables, desk, monkeypatch):
    monkeypatch.setattr(door, "tables", lambda: tables)
    monkeypatch.setattr(door, "_desk", lambda _: desk)
    doors = {builder._function._name: builder._function.get_user_function() for builder in door.bp._function_builders}
    function = getattr(doors["start_operation"], "client_function", doors["start_operation"])
    client = SimpleNamespace(
        create_check_status_response=lambda _, identity: func.HttpResponse(f'{{"id":"{identity}"}}')
    )

    async def started(**body):
        request = func.HttpRequest("POST", "http://x", body=json.dumps(body).encode())
        answer = await function(request, client)
        return answer.status_code, json.loads(answer.get_body())

    return started


async def known(tables, where):
    await AliasTable(tables).owner(where)
    await ReferenceTable(tables).put(where)
    await UserTable(tables).add(where.user_key, NOW)


async def registered(tables) -> str:
    user = ids.digest("external", "external:42")
    await AliasTable(tables).claim(external_alias("42"), user)
    await UserTable(tables).add(user, NOW)
    return user


async def test_who_wrote_is_rung_back_where_they_were_heard_last_alone(start, tables):
    alone = reference("alone")
    await known(tables, alone)
    await known(tables, reference("crowd", NOW.replace(hour=13), is_group=True))
    status, body = await start(operation="external-job", user="directline:ann")
    assert status == 200
    row = await OperationTable(tables).get(body["id"])
    assert (row.user, row.conversation) == (alone.user_key, alone.key)


async def test_who_never_wrote_is_rung_back_by_the_ways_they_consented_to(start, tables, engine, desk):
    user = await registered(tables)
    status, body = await start(operation="external-job", user="external:42")
    assert status == 200
    row = await OperationTable(tables).get(body["id"])
    assert (row.user, row.conversation) == (user, None)
    await desk.end(row.id, "succeeded", "done", {"text": "done"})
    [(_, identity, given)] = [begun for begun in engine.started if begun[0] == DELIVER]
    assert identity == f"{row.id}-result"
    assert (given["user"], given["conversation"], given["category"]) == (user, None, "operations")


async def test_nobody_is_a_404(start, tables):
    user = await registered(tables)
    await UserTable(tables).erase(user)
    for name in ("external:42", user, "external:43", "directline:nobody"):
        status, problem = await start(operation="external-job", user=name)
        assert (status, problem["field"]) == (404, "user")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "operation"),
        ({"operation": 5}, "operation"),
        ({"operation": "external-job", "input": []}, "input"),
        ({"operation": "external-job", "user": 5}, "user"),
        ({"operation": "external-job", "user": "nonsense"}, "user"),
        ({"operation": "analyze-file"}, "input.url"),
    ],
)
async def test_a_bad_request_names_the_field(start, body, field):
    status, problem = await start(**body)
    assert (status, problem["field"]) == (400, field)
