from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ringback import ids
from ringback.channels.address import email, phone
from ringback.errors import RequestError
from ringback.tables import references as references_module
from ringback.tables.addresses import AddressTable
from ringback.tables.aliases import (
    AliasTable,
    channel_alias,
    directory_alias,
    external_alias,
    parse_alias,
    resolve_directory,
    resolve_external,
    resolve_id,
)
from ringback.tables.cache import TtlCache
from ringback.tables.references import ReferenceTable, cache_metrics
from ringback.tables.users import UserRow, UserTable
from tests.unit.app.people import NOW, reference

TEAMS = {"channel_id": "msteams", "user_id": "29:ann"}
DIRECTORY = {"tenant_id": "T1", "user_aad_id": "A1"}


@pytest.fixture
def aliases(tables):
    return AliasTable(tables)


async def test_somebody_heard_is_found_by_channel_and_by_directory(tables, aliases):
    user = await aliases.owner(reference(**TEAMS, **DIRECTORY))
    assert await resolve_id(tables, "msteams:29:ann") == user
    assert await resolve_directory(tables, "t1", "a1") == user
    assert await resolve_id(tables, "aad:T1:A1") == user
    assert await aliases.of(user) == ["aad:t1:a1", "msteams:29:ann"]
    assert aliases.recall(reference(**TEAMS, **DIRECTORY)) == user


async def test_who_shows_a_directory_object_later_keeps_their_key(tables, aliases):
    first = await aliases.owner(reference(**TEAMS))
    assert first == ids.user_key("msteams", "29:ann")
    assert await aliases.owner(reference(**TEAMS, **DIRECTORY)) == first
    assert await resolve_directory(tables, "T1", "A1") == first


async def test_one_directory_object_on_two_channels_is_one_person(aliases):
    first = await aliases.owner(reference(**TEAMS, **DIRECTORY))
    assert await aliases.owner(reference(channel_id="webchat", user_id="w1", **DIRECTORY)) == first


async def test_two_people_are_never_merged(aliases):
    on_web = await aliases.owner(reference(channel_id="webchat", user_id="w1"))
    on_teams = await aliases.owner(reference(**TEAMS, **DIRECTORY))
    assert on_web != on_teams
    assert await aliases.owner(reference(channel_id="webchat", user_id="w1", **DIRECTORY)) == on_web
    assert await aliases.find(directory_alias("T1", "A1")) == on_teams
    assert await aliases.claim(external_alias("7"), on_web) == on_web
    assert await aliases.claim(external_alias("7"), on_teams) == on_web
    assert "external:7" not in await aliases.of(on_teams)


async def test_who_was_registered_first_is_the_one_who_writes_later(aliases):
    registered = ids.digest("external", "42")
    await aliases.claim(external_alias("42"), registered)
    await aliases.claim(directory_alias("T1", "A1"), registered)
    assert await aliases.owner(reference(**TEAMS, **DIRECTORY)) == registered


async def test_of_many_claims_at_once_one_wins(aliases):
    users = [ids.digest(str(number)) for number in range(8)]
    holders = await asyncio.gather(*(aliases.claim(external_alias("x"), user) for user in users))
    assert len(set(holders)) == 1
    assert [len(await aliases.of(user)) for user in users].count(1) == 1


async def test_a_channel_called_external_is_no_other_system(tables, aliases):
    await aliases.owner(reference(channel_id="external", user_id="42"))
    assert await resolve_id(tables, "external:42") is None
    assert channel_alias("external", "42").row != external_alias("42").row


async def test_erasing_takes_every_name(tables, aliases):
    user = await aliases.owner(reference(**TEAMS, **DIRECTORY))
    await aliases.owner(reference(channel_id="external", user_id="1"))
    await aliases.claim(external_alias("7"), user)
    await aliases.erase(user)
    assert await aliases.of(user) == []
    for text in ("msteams:29:ann", "aad:T1:A1", "external:7", user):
        assert await resolve_id(tables, text) is None
    assert aliases.recall(reference(**TEAMS, **DIRECTORY)) is None


async def test_who_was_heard_before_there_were_aliases_is_found(tables):
    known = reference(**TEAMS, **DIRECTORY)
    await ReferenceTable(tables).put(known)
    await ReferenceTable(tables).put(reference())
    assert await resolve_directory(tables, "T1", "A1") == known.user_key
    assert await resolve_id(tables, known.user_key) == known.user_key
    assert await resolve_id(tables, "directline:ann") == reference().user_key


async def test_a_group_is_found_by_its_conversation(tables, aliases):
    user = await aliases.owner(reference("19:x@thread", channel_id="msteams", user_id="19:x@thread"))
    assert await resolve_id(tables, "msteams:19:x@thread") == user


@pytest.mark.parametrize("text", ["nonsense", "", "a:" + "x" * 600])
async def test_an_unclear_name_is_refused(tables, text):
    with pytest.raises(RequestError) as caught:
        await resolve_id(tables, text, field="to.userId")
    assert caught.value.field == "to.userId"


async def test_nobody(tables):
    for text in ("directline:nobody", "external:nobody", "aad:t:o", "a" * 32):
        assert await resolve_id(tables, text) is None
    assert await resolve_external(tables, "nobody") is None


@pytest.mark.parametrize("text", ["x", "", ":", ":x", "x:", "aad:t", "aad:t:", "external:"])
def test_what_is_no_alias(text):
    assert parse_alias(text) is None


async def test_a_key_leads_to_a_conversation_or_an_address(tables):
    references, addresses, known = ReferenceTable(tables), AddressTable(tables), reference()
    await references.put(known)
    number, mailbox = phone("+49 151 23456789"), email("Ann@Example.org", "Ann")
    keys = [await addresses.put(known.user_key, address) for address in (number, mailbox)]
    assert await references.recipient(known.user_key, known.key) == known
    assert await references.recipient(known.user_key, keys[0]) == number
    assert await references.recipient(known.user_key, keys[1]) == mailbox
    assert await references.recipient(known.user_key, "sms-unknown") is None
    assert await references.recipient("somebody-else", keys[0]) is None
    assert await addresses.of(known.user_key) == dict(zip(keys, (number, mailbox), strict=True))


async def test_what_was_read_once_is_kept_for_the_senders(tables):
    references, known = ReferenceTable(tables), reference()
    await ReferenceTable(tables).put(known)
    before = cache_metrics()
    for _ in range(3):
        await references.recipient(known.user_key, known.key)
    await references.recipient(known.user_key, "unknown")
    after = cache_metrics()
    assert (after["hits"] - before["hits"], after["misses"] - before["misses"]) == (3, 1)
    moved = reference(seen=NOW + timedelta(seconds=1), service_url="http://127.0.0.1:2")
    await references.put(moved)
    assert await references.recipient(known.user_key, known.key) == moved
    await references.erase(known.user_key)
    assert await references.recipient(known.user_key, known.key) is None
    assert 0.0 < cache_metrics()["hitRate"] < 1.0


async def test_what_changes_while_it_is_read_is_not_kept_as_it_was(tables, monkeypatch):
    references, known = ReferenceTable(tables), reference()
    moved = reference(seen=NOW + timedelta(seconds=1), service_url="http://127.0.0.1:2")
    at = (known.user_key, known.key)
    read = ReferenceTable.get

    async def read_before(change):
        async def overtaken(self, user, conversation):
            found = await read(self, user, conversation)
            await change()
            return found

        monkeypatch.setattr(ReferenceTable, "get", overtaken)
        found = await references.recipient(*at)
        monkeypatch.setattr(ReferenceTable, "get", read)
        return found

    await references.put(known)
    references_module._caches[tables].drop(lambda *_: True)
    assert await read_before(lambda: references.put(moved)) == known
    assert await references.recipient(*at) == moved
    references_module._caches[tables].drop(lambda *_: True)
    assert await read_before(lambda: references.erase(known.user_key)) == moved
    assert await references.recipient(*at) is None


async def test_what_could_not_be_read_is_read_again():
    cache: TtlCache[str, int] = TtlCache(10, 2)

    async def broken():
        raise OSError

    async def found():
        return 7

    with pytest.raises(OSError):
        await cache.read("a", broken)
    assert [await cache.read("a", found), await cache.read("a", broken)] == [7, 7]
    assert await cache.read("b", found, keeps=lambda value: value != 7) == 7
    assert cache.get("b") is None


def test_a_cache_forgets_what_is_old_and_what_is_too_much():
    now = 0.0
    cache: TtlCache[str, int] = TtlCache(10, 2, clock=lambda: now)
    for number, name in enumerate("abc"):
        cache.put(name, number)
    assert [cache.get(name) for name in "abc"] == [None, 1, 2]
    cache.get("b")
    cache.put("d", 3)
    assert [cache.get(name) for name in "bcd"] == [1, None, 3]
    now = 10.0
    assert cache.get("b") is None
    assert len(cache) == 1
    assert references_module.CACHE_SIZE <= 100_000


async def test_people_are_listed_page_by_page(tables):
    users = UserTable(tables)
    keys = [ids.digest(str(number)) for number in range(7)]
    for key in keys:
        await users.add(key, NOW)
        await users.add(key, NOW + timedelta(days=1))
    await users.erase(keys[0])
    found, token = [], None
    while True:
        rows, token = await users.page(2, token)
        found += rows
        if token is None:
            break
    assert sorted(row.id for row in found) == sorted(keys[1:])
    assert {row.created_at for row in found} == {NOW}
    with pytest.raises(RequestError) as caught:
        await users.page(2, "garbage")
    assert caught.value.field == "continuation"


async def test_the_list_says_where_they_were_heard_last(tables):
    users, key = UserTable(tables), ids.digest("1")
    await users.seen(UserRow(id=key, seen_at=NOW, channel_id="msteams", tenant_id="t", locale="de-DE"))
    later = NOW + timedelta(hours=1)
    await users.seen(UserRow(id=key, seen_at=later, channel_id="directline"))
    assert await users.get(key) == UserRow(
        id=key, created_at=NOW, seen_at=later, channel_id="directline", tenant_id="t", locale="de-DE"
    )
    await users.erase(key)
    assert await users.get(key) == UserRow(id=key, erased=True)
    await users.seen(UserRow(id=key, seen_at=later, channel_id="directline"))
    found = await users.get(key)
    assert (found.erased, found.created_at, found.tenant_id) == (False, later, None)
