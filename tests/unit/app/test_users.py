"""The doors of /api/users, on real tables and entities that do at once what they are told."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import azure.functions as func
import pytest

import bot_http.users
from ringback import ids
from ringback.bot.arrivals import arrive
from ringback.channels.address import Address
from ringback.delivery import tidying
from ringback.delivery.consent import is_out
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification
from ringback.delivery.recovery import recover_errands
from ringback.tables.addresses import AddressTable
from ringback.tables.aliases import AliasTable, resolve_id
from ringback.tables.errands import TIDY, ErrandTable
from ringback.tables.users import UserTable
from tests.unit.app.conftest import inbound
from tests.unit.app.people import Entities, writer

NEW = ids.digest("external", "external:42")


@pytest.fixture
def entities():
    return Entities()


@pytest.fixture
def api(tables, entities, engine, config, monkeypatch):
    monkeypatch.setattr(bot_http.users, "tables", lambda: tables)
    monkeypatch.setattr(bot_http.users, "settings", lambda: config)
    monkeypatch.setattr(bot_http.users, "DurableUserEntities", lambda _: entities)
    monkeypatch.setattr(bot_http.users, "DurableClientEngine", lambda _: engine)
    doors = {
        builder._function._name: builder._function.get_user_function()
        for builder in bot_http.users.bp._function_builders
    }

    async def call(method, identity=None, body=None, **params):
        name = "list_users" if identity is None else f"{method.lower()}_user"
        door = getattr(doors[name], "client_function", doors[name])
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = func.HttpRequest(
            method=method, url="http://x/api/users", body=raw, params=params, route_params={"id": identity}
        )
        answer = await (door(request) if identity is None else door(request, None))
        return answer.status_code, json.loads(answer.get_body() or b"null")

    return call


async def test_somebody_who_never_wrote_is_made_by_an_external_id(api, tables, entities):
    body = {"name": "Ann", "email": "Ann@Example.org", "phone": "+49 151 23456789", "externalIds": ["crm-7"]}
    status, made = await api("PUT", "external:42", body)
    assert (status, made["id"]) == (201, NEW)
    assert (made["email"], made["phone"]) == ("A…@example.org", "+49…89")
    assert made["aliases"] == ["external:42", "external:crm-7"]
    assert await api("GET", "external:crm-7") == (200, made)
    assert await api("GET", NEW) == (200, made)
    stored = await AddressTable(tables).of(NEW)
    assert {address.value for address in stored.values()} == {"Ann@example.org", "+4915123456789"}
    assert "example.org" not in json.dumps(entities.told) + str(entities.states)
    assert (await UserTable(tables).get(NEW)).created_at is not None


async def test_a_put_changes_what_it_names(api):
    body = {
        "email": "ann@example.org",
        "consents": [{"channel": "email", "at": "2026-01-01T00:00:00Z", "source": "import"}, {"channel": "sms"}],
        "categories": {"news": False, "orders": True},
        "preferences": {
            "channels": ["email"],
            "quietHours": ["22:00-07:00"],
            "timeZone": "europe/berlin",
            "locale": "de_DE",
            "rates": {"news": {"messages": 3, "perSeconds": 86400}},
        },
    }
    _, made = await api("PUT", "external:42", body)
    assert made["consents"][0] == {
        "channel": "email",
        "category": "*",
        "granted": True,
        "at": "2026-01-01T00:00:00Z",
        "source": "import",
    }
    assert {name: choice["optedOut"] for name, choice in made["categories"].items()} == {"news": True, "orders": False}
    assert made["preferences"] == {
        "channels": ["email"],
        "quietHours": ["22:00-07:00"],
        "timeZone": "Europe/Berlin",
        "locale": "de-DE",
        "rates": {"news": {"messages": 3, "perSeconds": 86400.0}},
    }
    status, changed = await api("PUT", "external:42", {"preferences": {"quietHours": None}})
    assert status == 200
    assert changed["preferences"] == {**made["preferences"], "quietHours": []}
    assert changed["email"] == made["email"]


async def stored(tables) -> set[str]:
    return {address.value for address in (await AddressTable(tables).of(NEW)).values()}


async def test_an_address_is_replaced_and_taken_away(api, tables, monkeypatch):
    monkeypatch.setattr(tidying, "SETTLED", timedelta(0))
    await api("PUT", "external:42", {"email": "old@example.org", "phone": "+4915123456789"})
    await api("PUT", "external:42", {"email": "new@example.org"})
    assert await stored(tables) == {"+4915123456789", "new@example.org"}
    _, left = await api("PUT", "external:42", {"email": None, "phone": None})
    assert (left["email"], left["phone"]) == (None, None)
    assert await stored(tables) == set()


async def test_what_was_written_a_moment_ago_is_forgotten_by_the_timer(api, tables, entities, engine, monkeypatch):
    await api("PUT", "external:42", {"email": "old@example.org"})
    await api("PUT", "external:42", {"email": "new@example.org"})
    assert await recover_errands(tables, engine, entities, grace=timedelta(0)) == 0
    assert await stored(tables) == {"old@example.org", "new@example.org"}
    monkeypatch.setattr(tidying, "SETTLED", timedelta(0))
    assert await recover_errands(tables, engine, entities, grace=timedelta(0)) == 0
    assert await stored(tables) == {"new@example.org"}
    assert [errand async for errand in ErrandTable(tables).listed()] == []


@pytest.mark.parametrize(("minutes", "kept"), [(50, {"new@example.org"}), (70, set())])
async def test_an_entity_whose_queue_is_behind_loses_no_address(tables, engine, monkeypatch, minutes, kept):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(minutes=minutes)

    await AddressTable(tables).put(NEW, Address(kind="email", value="new@example.org"))
    await ErrandTable(tables).add(TIDY, NEW, datetime.now(timezone.utc))
    monkeypatch.setattr(tidying, "datetime", Later)
    assert await recover_errands(tables, engine, Entities(), grace=timedelta(0)) == 0
    assert await stored(tables) == kept


async def test_of_two_systems_at_once_neither_takes_the_others_address_away(api, tables, entities, engine, monkeypatch):
    await api("PUT", "external:42", {"email": "same@example.org"})
    put, others = AddressTable.put, ["new@example.org"]

    async def beside(self, user, address):
        key = await put(self, user, address)
        if others:
            assert (await api("PUT", "external:42", {"email": others.pop()}))[0] == 200
        return key

    monkeypatch.setattr(AddressTable, "put", beside)
    await api("PUT", "external:42", {"email": "same@example.org"})
    assert (await api("GET", "external:42"))[1]["email"] == "s…@example.org"
    monkeypatch.setattr(tidying, "SETTLED", timedelta(0))
    await recover_errands(tables, engine, entities, grace=timedelta(0))
    assert await stored(tables) == {"same@example.org"}


async def test_who_writes_is_registered_by_their_alias(api, tables, entities):
    here = await arrive(inbound("hi"), tables, entities)
    status, found = await api("PUT", "directline:dl_ann", {"externalIds": ["42"]})
    assert (status, found["id"]) == (200, here.reference.user_key)
    assert found["conversations"][0]["reach"] == "open"
    assert found["consents"][0]["source"] == "wrote"
    assert await resolve_id(tables, "external:42") == here.reference.user_key
    assert (await api("GET", "external:42"))[1]["id"] == here.reference.user_key


async def test_an_external_id_is_added_to_who_is_known_by_their_directory(api, tables):
    directory = {"aadObjectId": "A1", "tenantId": "T1"}
    _, known = await api("PUT", "aad:t1:a1", {})
    status, same = await api("PUT", "external:7", directory)
    assert (status, same["id"]) == (200, known["id"])
    assert same["aliases"] == ["aad:t1:a1", "external:7"]


async def test_nobody_is_merged(api):
    await api("PUT", "external:1", {"aadObjectId": "A1", "tenantId": "T1"})
    await api("PUT", "external:2", {})
    for field, body in {
        "aadObjectId": {"aadObjectId": "a1", "tenantId": "t1"},
        "externalIds[0]": {"externalIds": ["1"]},
    }.items():
        status, problem = await api("PUT", "external:2", body)
        assert (status, problem["field"]) == (409, field)
    status, _ = await api("PUT", "external:3", {"externalIds": ["1", "2"]})
    assert status == 409
    assert (await api("GET", "external:3"))[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"email": "a@b.org\r\nBcc: x@y.org"}, "email"),
        ({"email": 5}, "email"),
        ({"phone": "0151 2345"}, "phone"),
        ({"phone": "+49 1"}, "phone"),
        ({"aadObjectId": "a"}, "tenantId"),
        ({"tenantId": "t"}, "aadObjectId"),
        ({"externalIds": ["ok", ""]}, "externalIds[1]"),
        ({"externalIds": ["x" * 300]}, "externalIds[0]"),
        ({"externalIds": [str(number) for number in range(21)]}, "externalIds"),
        ({"consents": [{"channel": "sms", "source": "wrote"}]}, "consents[0].source"),
        ({"consents": [{"channel": "a b"}]}, "consents[0].channel"),
        ({"consents": [{"channel": "emial"}]}, "consents[0].channel"),
        ({"consents": [{"channel": "sms", "category": "?"}]}, "consents[0].category"),
        ({"consents": [{"channel": "sms", "at": "2999-01-01T00:00:00Z"}]}, "consents[0].at"),
        ({"consents": [{"channel": "sms", "at": "2020-01-01T00:00:00"}]}, "consents[0].at"),
        ({"categories": {"a b": True}}, "categories.a b"),
        ({"categories": {"operations": False}}, "categories.operations"),
        ({"preferences": {"timeZone": "Mars/Base"}}, "preferences.timeZone"),
        ({"preferences": {"quietHours": ["22:00-07:00"]}}, "preferences.timeZone"),
        ({"preferences": {"quietHours": ["x"], "timeZone": "UTC"}}, "preferences.quietHours"),
        ({"preferences": {"locale": "?"}}, "preferences.locale"),
        ({"preferences": {"channels": ["?"]}}, "preferences.channels"),
        ({"preferences": {"channels": ["bot", "pigeon"]}}, "preferences.channels"),
        ({"preferences": {"rates": {"news": {"messages": 0, "perSeconds": 1}}}}, "preferences.rates.news"),
        ({"preferences": {"rates": {"*": {"messages": 10_000, "perSeconds": 0.001}}}}, "preferences.rates.*"),
        ({"consents": [{"channel": "sms", "at": "0001-01-01T00:00:00+14:00"}]}, "consents[0].at"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Ann\r\nBcc: x@y.org"}, "name"),
        ({"nonsense": 1}, "nonsense"),
        ({"e-mail": "ann@example.org"}, "e-mail"),
        ({"preferences": {"time-zone": "UTC"}}, "preferences.time-zone"),
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
async def test_a_bad_request_names_the_field_and_writes_nothing(api, entities, body, field):
    status, problem = await api("PUT", "external:42", body)
    assert status == 400
    assert problem.get("field") == field
    assert entities.told == []
    assert (await api("GET", "external:42"))[0] == 404


@pytest.mark.parametrize("identity", ["directline:nobody", "a" * 32])
async def test_only_an_external_or_directory_id_makes_somebody(api, identity):
    status, problem = await api("PUT", identity, {})
    assert (status, problem["field"]) == (404, "id")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_is_no_id(api, method):
    assert (await api(method, "nonsense", {}))[0] == 400
    assert (await api(method, "external:" + "x" * 600, {}))[0] == 400


async def test_an_opt_out_by_another_system_takes_back_what_waits(api, tables, engine):
    await api("PUT", "external:42", {})
    row = new_row(Notification(id="d", user=NEW, category="news", content={}), datetime.now(timezone.utc))
    await Ledger(tables).open(row)
    engine.show("d")
    await api("PUT", "external:42", {"categories": {"news": False}})
    assert (await Ledger(tables).get(NEW, "d")).state == "suppressed"
    assert engine.events == [("d", "cancel", {"reason": "opted-out: news"})]


async def test_erasing(api, tables, entities, engine):
    await api("PUT", "external:42", {"email": "ann@example.org"})
    row = new_row(Notification(id="d", user=NEW, category="operations", content={}), datetime.now(timezone.utc))
    await Ledger(tables).open(row)
    assert await api("DELETE", "external:42") == (204, None)
    assert (await api("GET", "external:42"))[0] == (await api("GET", NEW))[0] == 404
    assert (await api("DELETE", "external:42"))[0] == 404
    assert (await api("DELETE", NEW))[0] == 204
    assert await AddressTable(tables).of(NEW) == {}
    assert (await Ledger(tables).get(NEW, "d")).state == "suppressed"
    assert entities.states[NEW].erased_at is not None
    status, problem = await api("PUT", "external:42", {"email": "ann@example.org"})
    assert (status, problem["field"]) == (409, "id")
    assert (await api("GET"))[1] == {"users": [], "continuation": None}


async def test_a_registration_beside_an_erasure_leaves_nothing(api, tables, monkeypatch):
    await api("PUT", "external:42", {})
    put = AddressTable.put

    async def erased_meanwhile(self, user, address):
        await put(self, user, address)
        assert (await api("DELETE", "external:42"))[0] == 204
        # What the erasure has passed by already is written again.
        return await put(self, user, address)

    monkeypatch.setattr(AddressTable, "put", erased_meanwhile)
    status, problem = await api("PUT", "external:42", {"email": "ann@example.org", "externalIds": ["shop-7"]})
    assert (status, problem["field"]) == (409, "id")
    assert await AddressTable(tables).of(NEW) == {}
    assert await AliasTable(tables).of(NEW) == []


@pytest.mark.parametrize("names", [("*", "orders"), ("orders", "*")])
async def test_all_but_one_category_in_one_request(api, entities, names):
    entities.states[NEW] = writer()
    for others, orders in ((False, True), (True, False)):
        wish = {"*": others, "orders": orders}
        await api("PUT", "external:42", {"categories": {name: wish[name] for name in names}})
        state = entities.states[NEW]
        assert (is_out(state.choices, "orders"), is_out(state.choices, "news")) == (not orders, not others)


async def test_rates_read_as_they_were_written(api):
    rates = {"news": {"messages": 3, "perSeconds": 100.0}, "orders": {"messages": 7, "perSeconds": 86_400.0}}
    await api("PUT", "external:42", {"preferences": {"rates": rates}})
    assert (await api("GET", "external:42"))[1]["preferences"]["rates"] == rates


async def test_a_continuation_of_somebody_elses_is_refused(api):
    await api("PUT", "external:42", {})
    token = base64.urlsafe_b64encode(json.dumps({"PartitionKey": "'"}).encode()).decode()
    status, problem = await api("GET", continuation=token)
    assert (status, problem["field"]) == (400, "continuation")


async def test_a_slash_that_the_host_left_encoded_and_one_that_is_part_of_an_id(api):
    assert (await api("PUT", "external:crm%2F7", {}))[1]["aliases"] == ["external:crm/7"]
    assert (await api("PUT", "external:42", {"externalIds": ["crm%2F7"]}))[0] == 201
    assert (await api("DELETE", "external:crm%2F7"))[0] == 204
    assert (await api("GET", "external:42"))[0] == 404
    assert (await api("GET", "external:crm/7"))[0] == 200


async def test_the_list(api):
    for number in range(5):
        await api("PUT", f"external:{number}", {})
    seen, token = [], ""
    while token is not None:
        status, page = await api("GET", top="2", **({"continuation": token} if token else {}))
        assert status == 200
        seen += [entry["id"] for entry in page["users"]]
        token = page["continuation"]
    assert len(set(seen)) == len(seen) == 5
    for params in ({"top": "0"}, {"top": "x"}, {"top": "5000"}, {"continuation": "zzz"}, {"continuation": "e30="}):
        status, problem = await api("GET", **params)
        assert (status, problem["field"]) == (400, next(iter(params)))
