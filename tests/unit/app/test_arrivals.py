from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ringback import ids
from ringback.bot.arrivals import arrive
from ringback.bot.inbound import parse_inbound
from ringback.delivery.erasure import erase_user
from ringback.delivery.gate import gate
from ringback.tables.aliases import AliasTable, directory_alias, resolve_id
from ringback.tables.references import ReferenceTable
from ringback.tables.tenants import TenantTable
from ringback.tables.users import UserTable
from tests.unit.app.conftest import inbound
from tests.unit.app.people import Entities, question

BOT = "28:bot"


@pytest.fixture
def entities():
    return Entities()


def teams(kind: str = "message", *, user: str = "29:ann", group: bool = False, second: int = 0, **fields):
    body = {
        "type": kind,
        "id": f"a{second}",
        "channelId": "msteams",
        "serviceUrl": "https://smba.trafficmanager.net/emea",
        "conversation": {"id": "19:g" if group else f"p-{user}", "isGroup": group, "tenantId": "T"},
        "from": {"id": user, "aadObjectId": f"aad-{user}"},
        "recipient": {"id": BOT},
        "text": "hi",
        **fields,
    }
    return parse_inbound(body, now=datetime(2026, 3, 1, 12, 0, second, tzinfo=timezone.utc))


async def test_who_writes_is_written_down_rows_first(tables, entities):
    here = await arrive(inbound("hi"), tables, entities)
    user = here.reference.user_key
    assert await ReferenceTable(tables).get(user, here.reference.key) == here.reference
    assert await resolve_id(tables, "directline:dl_ann") == user
    assert (await UserTable(tables).get(user)).channel_id == "directline"
    assert [(operation, word["wrote"]) for _, operation, word in entities.told] == [("remember", True)]
    await arrive(inbound("again"), tables, entities)
    assert len(entities.told) == 2


async def test_who_only_came_in_has_not_written(tables, entities):
    here = await arrive(inbound("", type="conversationUpdate", membersAdded=[{"id": "dl_ann"}]), tables, entities)
    state = entities.states[here.reference.user_key]
    assert (list(state.references), state.consents) == ([here.reference.key], {})


async def test_the_bot_itself_is_nobody(tables, entities):
    said = inbound("x", **{"from": {"id": "bot", "role": "bot"}})
    assert await arrive(said, tables, entities) is said
    joined = inbound("", type="conversationUpdate", **{"from": {"id": "c1"}})
    assert await arrive(joined, tables, entities) is joined
    assert entities.told == []


async def test_who_shows_a_directory_object_later_stays_the_same(tables, entities):
    early = teams(**{"from": {"id": "29:ann"}})
    first = await arrive(early, tables, entities)
    second = await arrive(teams(second=1), tables, entities)
    assert first.reference.user_key == second.reference.user_key == ids.user_key("msteams", "29:ann")
    assert await resolve_id(tables, "aad:T:aad-29:ann") == first.reference.user_key
    stored = await ReferenceTable(tables).get(second.reference.user_key, second.reference.key)
    assert stored.owner == first.reference.user_key


async def test_a_client_cannot_claim_to_be_somebody_of_a_directory(tables, entities):
    ann = await arrive(teams(), tables, entities)
    fields = {"from": {"id": "dl_eve", "aadObjectId": "aad-29:ann"}, "channelData": {"tenant": {"id": "T"}}}
    eve = await arrive(inbound("hi", **fields), tables, entities)
    assert eve.reference.user_key != ann.reference.user_key


async def test_a_client_cannot_become_somebody_who_was_registered(tables, entities):
    registered = ids.user_key("", "", "t", "o")
    await AliasTable(tables).claim(directory_alias("t", "o"), registered)
    fields = {"from": {"id": "29:ann", "aadObjectId": "o"}, "channelData": {"tenant": {"id": "t"}}}
    for channel in ("directline", "webchat", "AcsChat", "emulator"):
        eve = await arrive(inbound("hi", channelId=channel, **fields), tables, entities)
        assert eve.reference.user_key != registered
    assert await AliasTable(tables).of(registered) == ["aad:t:o"]
    assert registered not in entities.states


async def test_who_was_registered_by_another_system_is_recognised_by_the_directory(tables, entities):
    await AliasTable(tables).claim(directory_alias("T", "aad-29:ann"), "registered")
    away = teams("installationUpdate", action="remove")
    await arrive(away, tables, entities)
    assert [(user, operation, word["personal"]) for user, operation, word in entities.told] == [
        ("registered", "installed", True)
    ]
    assert (await arrive(teams(second=1), tables, entities)).reference.user_key == "registered"
    assert await resolve_id(tables, "msteams:29:ann") == "registered"


async def test_where_a_tenant_is_heard_is_kept(tables, entities):
    await arrive(teams(), tables, entities)
    assert await TenantTable(tables).service_url("t") == "https://smba.trafficmanager.net/emea"


async def test_a_group_consents_by_letting_the_bot_in_and_who_did_it_does_not(tables, entities):
    came = teams("conversationUpdate", group=True, membersAdded=[{"id": BOT}])
    here = await arrive(came, tables, entities)
    group = entities.states[await resolve_id(tables, "msteams:19:g")]
    assert gate(group, question()).decision == "send"
    assert entities.states[here.reference.user_key].consents == {}
    await arrive(teams("conversationUpdate", group=True, membersAdded=[{"id": "29:bob"}], second=1), tables, entities)
    assert len(group.consents) == 1


async def test_a_message_below_a_post_makes_the_whole_channel_known(tables, entities):
    where = {"id": "19:c@thread.tacv2;messageid=17", "isGroup": True, "tenantId": "T", "conversationType": "channel"}
    await arrive(teams(conversation=where), tables, entities)
    for name in ("19:c@thread.tacv2", where["id"]):
        user = await resolve_id(tables, f"msteams:{name}")
        [stop] = gate(entities.states[user], question()).route
        assert (await ReferenceTable(tables).get(user, stop.reference)).conversation_id == name


async def test_a_group_is_somebody_who_can_be_written_to(tables, entities):
    here = await arrive(teams(group=True), tables, entities)
    group = await resolve_id(tables, "msteams:19:g")
    assert group != here.reference.user_key
    state = entities.states[group]
    [stop] = gate(state, question()).route
    reference = await ReferenceTable(tables).get(group, stop.reference)
    assert (reference.conversation_id, reference.user_name, reference.user_aad_id) == ("19:g", None, None)
    assert gate(entities.states[here.reference.user_key], question()).decision == "suppressed"


@pytest.mark.parametrize("action", ["remove", "remove-upgrade"])
async def test_an_app_that_is_taken_away_and_comes_back(tables, entities, action):
    here = await arrive(teams(), tables, entities)
    user = here.reference.user_key
    await arrive(teams("installationUpdate", second=1, action=action), tables, entities)
    assert gate(entities.states[user], question()).reason.startswith("not-installed: ")
    await arrive(teams("installationUpdate", second=2, action="add"), tables, entities)
    assert gate(entities.states[user], question()).decision == "send"


async def test_a_bot_that_is_thrown_out_of_a_group(tables, entities):
    await arrive(teams(group=True), tables, entities)
    group = await resolve_id(tables, "msteams:19:g")
    out = teams("conversationUpdate", group=True, second=1, membersRemoved=[{"id": BOT}])
    await arrive(out, tables, entities)
    assert gate(entities.states[group], question()).reason.startswith("not-installed: ")
    back = teams("conversationUpdate", group=True, second=2, membersAdded=[{"id": BOT}])
    await arrive(back, tables, entities)
    assert gate(entities.states[group], question()).decision == "send"


async def test_who_left_a_group_is_not_written_to_there(tables, entities):
    bob = await arrive(teams(user="29:bob", group=True), tables, entities)
    gone = teams("conversationUpdate", group=True, second=1, membersRemoved=[{"id": "29:bob"}])
    await arrive(gone, tables, entities)
    asked = question(conversation=bob.reference.key)
    assert gate(entities.states[bob.reference.user_key], asked).reason.startswith("gone: ")


async def test_who_was_erased_and_writes_again_begins_anew(tables, entities, engine):
    here = await arrive(teams(), tables, entities)
    user = here.reference.user_key
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=timezone.utc)
    for _ in range(2):
        await erase_user(tables, engine, entities, user, now)
    assert gate(entities.states[user], question()).reason.startswith("erased: ")
    assert (await ReferenceTable(tables).of(user), await AliasTable(tables).of(user)) == ([], [])
    again = await arrive(teams(second=40), tables, entities)
    assert again.reference.user_key == user
    assert gate(entities.states[user], question()).decision == "send"
    assert await resolve_id(tables, "msteams:29:ann") == user
    assert (await UserTable(tables).get(user)).erased is False
