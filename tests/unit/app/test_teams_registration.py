"""Other systems about somebody on Teams: what a PUT makes of who may never have written to the bot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ringback import ids
from ringback.bot.arrivals import arrive
from ringback.delivery import tidying
from ringback.tables.addresses import AddressTable
from tests.unit.app.test_arrivals import teams
from tests.unit.app.test_users import api, entities  # noqa: F401  fixtures

ANN = "aad:t1:o1"
USER = ids.digest("aad", "t1", "o1")


async def stored(tables):
    return list((await AddressTable(tables).of(USER)).values())


async def test_a_directory_object_is_enough(api, tables, entities):  # noqa: F811
    status, made = await api("PUT", "aad:T1:O1", {"name": "Ann"})
    shown = {"tenantId": "t1", "aadObjectId": "o1", "userId": None, "serviceUrl": None, "region": None}
    assert (status, made["id"], made["teams"], made["reach"]) == (201, USER, shown, {"bot": "open"})
    [person] = await stored(tables)
    assert (person.member_id, person.name) == ("o1", "Ann")
    assert (await api("GET", ANN))[1] == made
    _, other = await api("PUT", "external:7", {"tenantId": "t2", "aadObjectId": "o2", "teams": {"userId": "29:bob"}})
    assert other["teams"] == {**shown, "tenantId": "t2", "aadObjectId": "o2", "userId": "29:bob"}
    assert "29:bob" not in str(entities.told)


async def test_what_is_left_out_stays_and_null_takes_it_away(api, tables, entities, monkeypatch):  # noqa: F811
    monkeypatch.setattr(tidying, "SETTLED", timedelta(0))
    await api("PUT", ANN, {"teams": {"userId": "29:ann", "region": "emea"}})
    _, same = await api("PUT", ANN, {"email": "ann@example.org"})
    assert (same["teams"]["userId"], same["teams"]["region"]) == ("29:ann", "emea")
    _, changed = await api("PUT", ANN, {"teams": {"userId": None, "serviceUrl": "https://smba.trafficmanager.net/in/"}})
    assert changed["teams"] == {
        "tenantId": "t1",
        "aadObjectId": "o1",
        "userId": None,
        "serviceUrl": "https://smba.trafficmanager.net/in/",
        "region": "emea",
    }
    assert len(await stored(tables)) == 2, "the e-mail address and one person on Teams"
    _, gone = await api("PUT", ANN, {"teams": None})
    assert (gone["teams"], gone["reach"]) == (None, {"email": "open"})
    assert len(await stored(tables)) == 1
    assert (await api("PUT", ANN, {"teams": None}))[1] == gone


async def test_more_can_be_told_later_of_who_is_known_by_the_directory(api, tables, entities):  # noqa: F811
    here = await arrive(teams(), tables, entities)
    status, found = await api("PUT", here.reference.user_key, {"teams": {"userId": "29:ann"}})
    assert (status, found["teams"]["aadObjectId"], found["teams"]["tenantId"]) == (200, "aad-29:ann", "t")


async def test_a_way_that_the_channel_closed_opens_only_when_it_is_registered_anew(api, entities):  # noqa: F811
    await api("PUT", ANN, {})
    state = entities.states[USER]
    said = {"reference": state.addresses["bot"], "reaction": "until-installed", "at": "2030-01-01T00:00:00Z"}
    await entities.signal(USER, "channel_said", said)
    for body in ({}, {"email": "ann@example.org"}):
        assert (await api("PUT", ANN, body))[1]["reach"]["bot"] == "not-installed"
    assert (await api("PUT", ANN, {"teams": {}}))[1]["reach"]["bot"] == "open"


@pytest.mark.parametrize(
    ("identity", "body", "field"),
    [
        ("external:1", {"teams": {"userId": "29:x"}}, "teams"),
        (ANN, {"teams": {"userId": ""}}, "teams.userId"),
        (ANN, {"teams": {"userId": "a\nb"}}, "teams.userId"),
        (ANN, {"teams": {"userId": "x" * 600}}, "teams.userId"),
        (ANN, {"teams": {"region": "moon"}}, "teams.region"),
        (ANN, {"teams": {"region": "gcch"}}, "teams.region"),
        (ANN, {"teams": {"serviceUrl": "https://evil.example/"}}, "teams.serviceUrl"),
        (ANN, {"teams": {"serviceUrl": "http://smba.trafficmanager.net/emea/"}}, "teams.serviceUrl"),
        (ANN, {"teams": {"serviceUrl": ""}}, "teams.serviceUrl"),
        (ANN, {"teams": {"phone": "1"}}, "teams.phone"),
        (ANN, {"teams": 5}, "teams"),
    ],
)
async def test_a_bad_request_names_the_field_and_writes_nothing(api, entities, identity, body, field):  # noqa: F811
    status, problem = await api("PUT", identity, body)
    assert (status, problem.get("field"), entities.told) == (400, field, [])
    assert (await api("GET", identity))[0] == 404
