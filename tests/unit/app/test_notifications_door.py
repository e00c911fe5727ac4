"""What the door of notifications refuses before it takes anything in."""

from __future__ import annotations

import json

import azure.functions as func
import pytest

import bot_http.notifications as door
from ringback.channels import registry
from ringback.channels.address import Address
from ringback.delivery import fitting
from ringback.delivery.ledger import Ledger
from ringback.tables.addresses import AddressTable
from ringback.tables.aliases import AliasTable
from ringback.tables.notifications import NotificationTable
from ringback.tables.references import ReferenceTable
from ringback.tables.users import UserTable
from tests.unit.app.people import NOW, reference

SMALL = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "x"}]}
# Over the limit with the marks of its buttons, though not without them.
BUTTONS = [{"type": "Action.Submit", "title": str(number)} for number in range(200)]
LARGE = {**SMALL, "body": [{"type": "TextBlock", "text": "x" * 30_000}], "actions": BUTTONS}


@pytest.fixture
async def call(tables, engine, config, monkeypatch):
    """The doors of notifications, with somebody who is on Teams and has a phone."""
    monkeypatch.setattr(door, "tables", lambda: tables)
    monkeypatch.setattr(door, "settings", lambda: config)
    monkeypatch.setattr(fitting, "settings", lambda: config)
    monkeypatch.setattr(door, "DurableClientEngine", lambda _: engine)
    monkeypatch.setattr(registry, "problem", lambda kind: "")
    there = reference(channel_id="msteams", user_id="29:ann")
    await AliasTable(tables).owner(there)
    await ReferenceTable(tables).put(there)
    await UserTable(tables).add(there.user_key, NOW)
    await AddressTable(tables).put(there.user_key, Address(kind="sms", value="+491512345678"))
    doors = {builder._function._name: builder._function.get_user_function() for builder in door.bp._function_builders}

    async def called(method: str, identity: str | None = None, **body):
        function = doors[f"{method}_notification"]
        request = func.HttpRequest(
            method.upper(), "http://x", body=json.dumps(body).encode(), route_params={"id": identity}
        )
        answer = await getattr(function, "client_function", function)(request, None)
        return answer.status_code, json.loads(answer.get_body())

    return called


def ask(**fields):
    return {"to": {"userId": "msteams:29:ann"}, "category": "orders", **fields}


async def test_what_no_way_takes_is_refused_and_leaves_nothing_behind(call, tables):
    for fields, field in (
        ({"card": LARGE, "channels": ["bot"]}, "card"),
        ({"text": "x" * 1531, "channels": ["sms"]}, "text"),
        ({"text": "x", "link": "javascript:alert(1)"}, "link"),
    ):
        status, body = await call("post", **ask(id="n1", **fields))
        assert (status, body["field"]) == (400 if field == "link" else 413, field)
        assert body["detail"]
    assert await NotificationTable(tables).get("notify-n1") is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": " \n\u00a0"}, "text"),
        ({"text": "\u0000\u202e"}, "text"),
        ({"text": "", "card": SMALL}, "text"),
        ({"text": "x", "notBefore": "0001-01-01T00:00:00+14:00"}, "notBefore"),
        ({"text": "x", "notBefore": "1500-01-01T00:00:00Z"}, "notBefore"),
        ({"text": "x", "notBefore": "9999-12-31T23:59:59-14:00"}, "notBefore"),
        ({"text": "x", "expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
        ({"template": "t", "locale": "German, please"}, "locale"),
        ({"text": "x", "link": "https://shop.example:99999/"}, "link"),
        ({"text": "x", "link": "https://shop.example:0/"}, "link"),
        ({"text": "x", "not-before": "2026-01-01T00:00:00Z"}, "not-before"),
    ],
)
async def test_a_bad_request_names_the_field(call, fields, field):
    status, body = await call("post", **ask(id="n1", **fields))
    assert (status, body["field"]) == (400, field)


async def test_a_channel_that_is_named_again_and_again_counts_once(call, tables):
    assert (await call("post", **ask(id="n1", text="x", channels=["sms", "bot"] * 20_000)))[0] == 202
    entry = await NotificationTable(tables).get("notify-n1")
    row = await Ledger(tables).get(entry.user, entry.delivery)
    assert row.channels == ("sms", "bot")


async def test_a_person_is_no_conversation(call):
    for named in ("msteams:29:ann", {"channelId": "msteams", "id": "29:ann"}, {"channelId": "msteams:29", "id": "ann"}):
        status, body = await call("post", **ask(text="x", to={"conversation": named}))
        assert (status, body["field"]) == (404, "to.conversation")


async def test_one_moment_in_another_time_zone_is_the_same_request(call):
    asked = [ask(id="n1", text="x", notBefore=at) for at in ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00")]
    assert [(await call("post", **fields))[0] for fields in asked] == [202, 202]
    assert (await call("post", **{**asked[0], "notBefore": "2026-03-01T13:00:00Z"}))[0] == 409


async def test_what_one_way_takes_is_accepted(call):
    assert (await call("post", **ask(text="x" * 1531)))[0] == 202
    assert (await call("post", **ask(card=SMALL, channels=["bot"])))[0] == 202


async def test_what_waits_cannot_be_edited_into_what_no_way_takes(call):
    status, _ = await call("post", **ask(id="n1", card=SMALL, channels=["bot"]))
    assert status == 202
    status, body = await call("patch", "n1", card=LARGE)
    assert (status, body["field"]) == (413, "card")
    assert (await call("patch", "n1", text="small"))[0] == 200
