"""Conversations that are opened before the first message, on real tables."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from ringback import ids
from ringback.channels import registry
from ringback.channels.port import Outcome, SendResult
from ringback.channels.teams import REGIONS, SERVICE_URL, TeamsUser
from ringback.delivery.notification import Stop
from ringback.delivery.opening import Recipients
from ringback.delivery.pace import parse_windows
from ringback.delivery.throttle import Throttle, ThrottledError
from ringback.settings import ThrottleSettings
from ringback.tables.addresses import AddressTable
from ringback.tables.recipients import RecipientTable
from ringback.tables.references import ReferenceTable
from ringback.tables.tenants import TenantTable
from ringback.tables.throttle import ThrottleTable
from ringback.tables.users import UserTable
from tests.unit.app.test_reference import make_reference

ANN = TeamsUser(tenant_id="t1", aad_object_id="o1", name="Ann")
USER = ids.user_key("", "", "t1", "o1")


class Channel:
    """Gives a new conversation every time, which Teams would not; or what it was told to say."""

    def __init__(self) -> None:
        self.asked: list[tuple[TeamsUser, str]] = []
        self.says: SendResult | None = None
        self.together = 0
        self.arrived = asyncio.Event()

    async def create(self, person, service_url):
        self.asked.append((person, service_url))
        number = len(self.asked)
        if number >= self.together:
            self.arrived.set()
        await self.arrived.wait()
        fields = {"tenant_id": person.tenant_id, "user_aad_id": person.aad_object_id, "user_id": person.member_id}
        return self.says or make_reference(service_url=service_url, conversation_id=f"a:{number}", **fields)


@pytest.fixture
def channel(monkeypatch) -> Channel:
    found = Channel()
    monkeypatch.setattr(registry, "sender", lambda kind: found)
    return found


@pytest.fixture
async def stop(tables) -> Stop:
    return Stop(channel="bot", reference=await AddressTable(tables).put(USER, ANN))


def recipients(tables, config, **limits) -> Recipients:
    throttle = ThrottleSettings(**{name: parse_windows(text, "X") for name, text in limits.items()})
    config = msgspec.structs.replace(config, throttle=throttle)
    config = msgspec.structs.replace(config, bot=msgspec.structs.replace(config.bot, teams_service_url=SERVICE_URL))
    return Recipients(tables, Throttle(ThrottleTable(tables), config), config)


async def test_it_is_opened_once_and_found_again(tables, config, channel, stop):
    both = recipients(tables, config), recipients(tables, config)
    first = await both[0].get(USER, stop)
    assert (first.conversation_id, first.owner, first.user_key) == ("a:1", None, USER)
    assert await both[1].get(USER, stop) == first
    ReferenceTable(tables)._cache.drop(lambda *_: True)
    assert await both[1].get(USER, stop) == first
    assert channel.asked == [(ANN, SERVICE_URL)]
    assert await ReferenceTable(tables).of(USER) == [], "they were not heard there"


async def test_what_was_sent_is_changed_only_in_a_conversation_that_is_open(tables, config, channel, stop):
    assert await RecipientTable(tables).get(USER, stop) is None
    opened = await recipients(tables, config).get(USER, stop)
    assert await RecipientTable(tables).get(USER, stop) == opened
    assert len(channel.asked) == 1


async def test_of_two_at_once_the_first_row_stands(tables, config, channel, stop):
    channel.together = 2
    found = await asyncio.gather(*(recipients(tables, config).get(USER, stop) for _ in range(2)))
    assert len(channel.asked) == 2
    assert found[0].conversation_id == found[1].conversation_id
    assert (await ReferenceTable(tables).get(USER, stop.reference)).conversation_id == found[0].conversation_id


async def test_who_is_known_by_another_key_keeps_it(tables, config, channel, stop):
    await AddressTable(tables).put("other", ANN)
    assert (await recipients(tables, config).get("other", stop)).user_key == "other"


async def test_what_the_channel_says_is_passed_on_and_nothing_stored(tables, config, channel, stop):
    channel.says = SendResult(outcome=Outcome.PERMANENT, code="NotInstalled")
    assert await recipients(tables, config).get(USER, stop) == channel.says
    assert await ReferenceTable(tables).get(USER, stop.reference) is None
    channel.says = None
    assert (await recipients(tables, config).get(USER, stop)).conversation_id == "a:2"


async def test_who_is_erased_meanwhile_leaves_nothing(tables, config, channel, stop):
    channel.together = 2
    opening = asyncio.create_task(recipients(tables, config).get(USER, stop))
    while not channel.asked:
        await asyncio.sleep(0)
    await UserTable(tables).erase(USER)
    await AddressTable(tables).erase(USER)
    await ReferenceTable(tables).erase(USER)
    channel.arrived.set()
    result = await opening
    assert (result.outcome, result.code) == (Outcome.PERMANENT, "Erased")
    assert await ReferenceTable(tables).get(USER, stop.reference) is None
    assert await recipients(tables, config).get(USER, stop) is None


async def test_it_is_asked_where_the_person_the_tenant_or_the_region_is(tables, config, channel):
    people = {
        SERVICE_URL: ANN,
        REGIONS["emea"]: msgspec.structs.replace(ANN, region="emea"),
        "https://smba.trafficmanager.net/in/": msgspec.structs.replace(ANN, tenant_id="T2", region="emea"),
        "https://smba.trafficmanager.net/own/": msgspec.structs.replace(
            ANN, tenant_id="T2", service_url="https://smba.trafficmanager.net/own/"
        ),
    }
    heard = make_reference(tenant_id="t2", service_url="https://smba.trafficmanager.net/in/")
    await TenantTable(tables).heard(heard)
    await TenantTable(tables).heard(make_reference(channel_id="directline", tenant_id="t1", service_url="https://x"))
    for url, person in people.items():
        key = await AddressTable(tables).put(USER, person)
        await recipients(tables, config).get(USER, Stop(channel="bot", reference=key))
        assert channel.asked[-1] == (person, url)


async def test_a_tenant_that_moves_is_followed(tables):
    tenants = TenantTable(tables)
    for region in ("emea", "amer", "amer"):
        await tenants.heard(make_reference(tenant_id="t", service_url=REGIONS[region]))
    assert await tenants.service_url("T ") == REGIONS["amer"]
    assert await tenants.service_url("u") is None


async def test_conversations_are_opened_no_faster_than_the_channel_allows(tables, config, channel):
    asked = [msgspec.structs.replace(ANN, aad_object_id=f"o{number}") for number in range(4)]
    keys = [await AddressTable(tables).put(USER, person) for person in asked]
    hosts = [recipients(tables, config, create="2/60") for _ in range(2)]
    for number in range(2):
        await hosts[number].get(USER, Stop(channel="bot", reference=keys[number]))
    for number in range(2):
        with pytest.raises(ThrottledError) as caught:
            await hosts[number].get(USER, Stop(channel="bot", reference=keys[2 + number]))
        assert caught.value.seconds > 50
    assert len(channel.asked) == 2
    other = await AddressTable(tables).put(USER, msgspec.structs.replace(ANN, tenant_id="t2"))
    await hosts[0].get(USER, Stop(channel="bot", reference=other))


async def test_a_conversation_that_is_lost_is_asked_for_anew(tables, config, channel, stop):
    found = recipients(tables, config)
    await found.get(USER, stop)
    heard = make_reference(tenant_id="t1", user_aad_id="o1")
    await ReferenceTable(tables).put(heard)
    for key in (stop.reference, heard.key, "sms-1"):
        await found.lost(USER, Stop(channel="bot", reference=key))
    assert (await found.get(USER, stop)).conversation_id == "a:2"
    assert await ReferenceTable(tables).of(USER) == [heard], "where somebody was heard stays"


async def test_a_sender_that_opens_nothing_says_so(tables, config, stop, monkeypatch):
    monkeypatch.setattr(registry, "sender", lambda kind: object())
    assert (await recipients(tables, config).get(USER, stop)).code == "WrongRecipient"
