"""Presses on delivered cards: whose they are, how often they count, and what other systems are told."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone

import azure.functions as func
import pytest

import bot_http.engagement
import bot_http.notifications
from ringback import metrics
from ringback.delivery.erasure import erase_user
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification
from ringback.errors import RetryableError
from ringback.tables import engagement
from ringback.tables.aliases import AliasTable, resolve_id
from ringback.tables.engagement import EngagementTable
from ringback.tables.notifications import NotificationEntry
from ringback.tables.users import UserTable
from tests.unit.app.pressing import BORN, LINK, World


@pytest.fixture
def world(tables, engine, config):
    return World(tables, engine, config)


async def test_a_view_is_answered_with_the_link_and_counted(world):
    await world.deliver()
    assert LINK in (await world.press("View"))["text"]
    assert await world.counted() == {"view": 1}


async def test_a_view_without_a_link(world):
    await world.deliver(link=None)
    assert (await world.press("View"))["text"] == "Opened, thank you."


async def test_the_same_post_again_is_answered_and_not_counted_again(world):
    await world.deliver()
    before = metrics.counts()["presses"].get(("view",), 0)
    assert await world.press("View") == await world.press("View")
    assert await world.counted() == {"view": 1}
    await world.press("View", activity="p2")
    assert await world.counted() == {"view": 2}
    assert metrics.counts()["presses"][("view",)] == before + 2


async def test_presses_at_the_same_moment(world):
    await world.deliver()
    await asyncio.gather(*(world.press("View", activity=f"p{number % 5}") for number in range(10)))
    assert await world.counted() == {"view": 5}


async def test_a_strangers_press_is_answered_politely_and_not_counted(world):
    await world.deliver()
    answer = await world.press("View", user="dl_mallory")
    assert answer["text"] == (await world.press("View", "notify-unknown"))["text"]
    assert "not for you" in answer["text"]
    assert await world.counted() == await world.counted("notify-unknown") == {}


@pytest.mark.parametrize("identity", ["a/b", "a\\b", "a?b#c", "", "x" * 201, "é", "a'b", "a\nb", 7])
async def test_a_made_up_delivery_is_nobodys(world, identity):
    value = {"action": "view", "ringback": {"delivery": identity, "action": "view"}}
    answer = await world.press("", value=value)
    assert "not for you" in answer["text"] or identity == 7


async def test_a_press_after_recall_or_cancel_is_not_counted(world):
    row = await world.deliver()
    row.recalled_at = BORN
    await world.ledger.save(row)
    assert "taken back" in (await world.press("View"))["text"]
    row.recalled_at, row.state = None, "cancelled"
    await world.ledger.save(row)
    assert await world.counted() == {}


async def test_who_was_erased_and_comes_back_presses_an_old_message(world):
    row = await world.deliver()
    await UserTable(world.tables).erase(row.user)
    await AliasTable(world.tables).erase(row.user)
    assert "not for you" in (await world.press("View", at=BORN + timedelta(seconds=1)))["text"]
    assert await world.counted() == {}


async def test_an_erasure_takes_the_presses_too_and_leaves_the_sums(world):
    row = await world.deliver()
    await world.press("View")
    now = datetime.now(timezone.utc)
    await erase_user(world.tables, world.engine, world.entities, row.user, now)
    assert await world.counted() == {}
    assert [count.presses async for count in EngagementTable(world.tables).counts(BORN.date(), BORN.date())] == [1]


async def test_a_message_to_a_group_may_be_pressed_by_who_is_in_it(world):
    group = {"conversation": {"id": "19:g", "isGroup": True}}
    await world.heard("hello", **group)
    owner = await resolve_id(world.tables, "directline:19:g")
    await world.ledger.open(new_row(Notification(id="notify-7", user=owner, category="news"), BORN))
    below_a_post = {"conversation": {"id": "19:g;messageid=9", "isGroup": True}}
    for number, fields in enumerate((group, group, below_a_post)):
        await world.press("View", activity=f"p{number}", user=f"dl_{number}", **fields)
    assert await world.counted() == {"view": 3}
    other = {"conversation": {"id": "19:other", "isGroup": True}}
    assert "not for you" in (await world.press("View", user="dl_1", activity="p9", **other))["text"]
    assert "not for you" in (await world.press("View", user="dl_1", activity="p9"))["text"]
    await world.ledger.withdraw(await world.ledger.get(owner, "notify-7"))
    assert "not for you" in (await world.press("View", user="dl_1", activity="p10", **group))["text"]
    assert await world.counted() == {"view": 3}


async def test_any_other_button_is_acknowledged_and_counted(world):
    await world.deliver()
    assert "noted" in (await world.press("Rate"))["text"]
    assert await world.counted() == {"rate": 1}


async def test_a_button_of_an_unmarked_card_is_still_noted(world):
    answer = await world.press("", value={"action": "view"})
    assert "noted" in answer["text"]


def door(module, name):
    for builder in module.bp._function_builders:
        if builder._function._name == name:
            function = builder._function.get_user_function()
            return getattr(function, "client_function", function)
    raise AssertionError(name)


async def test_what_was_pressed_is_shown_of_one_and_over_all(world, monkeypatch, config):
    for module in (bot_http.engagement, bot_http.notifications):
        monkeypatch.setattr(module, "tables", lambda: world.tables)
    monkeypatch.setattr(bot_http.notifications, "settings", lambda: config)
    row = await world.deliver()
    entry = bot_http.notifications.DeliveryDesk(world.tables, world.engine).index
    await entry.insert(NotificationEntry(id="7", delivery=row.id, user=row.user, body="x"), BORN)
    looked = func.HttpRequest("GET", "http://x", route_params={"id": "7"}, body=b"")
    get = door(bot_http.notifications, "get_notification")
    assert "engagement" not in json.loads((await get(looked, None)).get_body())
    for number, title in enumerate(("View", "View", "Rate")):
        await world.press(title, activity=f"p{number}")
    shown = json.loads((await get(looked, None)).get_body())["engagement"]
    assert (shown["presses"], shown["actions"]["view"]["presses"]) == (3, 2)
    assert shown["firstViewedAt"] == shown["actions"]["view"]["firstAt"] == "2026-03-01T00:00:00Z"

    async def summed(**params):
        asked = func.HttpRequest("GET", "http://x", params=params, body=b"")
        answer = await door(bot_http.engagement, "get_engagement")(asked)
        return answer.status_code, json.loads(answer.get_body())

    days = {"from": "2026-03-01", "to": "2026-03-01"}
    status, body = await summed(**days)
    line = {"category": "orders", "template": None, "action": "rate", "presses": 1, "deliveries": 1}
    assert (status, body["engagement"]) == (200, [line, {**line, "action": "view", "presses": 2}])
    assert (await summed(**days, action="rate", category="orders"))[1]["engagement"] == [line]
    assert (await summed(**days, category="news"))[1]["engagement"] == []
    assert (await summed())[1]["to"] == datetime.now(timezone.utc).date().isoformat()
    assert (await summed(to="0001-01-05"))[1]["from"] == "0001-01-01"
    assert (await summed(to="9999-12-31"))[1]["from"] == "9999-12-02"
    wrong_ones = (
        {"from": "x"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01"},
        {"from": "20260301"},
    )
    for wrong in wrong_ones:
        status, body = await summed(**wrong)
        assert (status, body["field"]) == (400, "from")


async def test_a_press_that_others_keep_counting_beside_is_a_matter_of_asking_again(world, monkeypatch):
    await world.deliver()
    monkeypatch.setattr(engagement, "WRITES", 0)
    with pytest.raises(RetryableError):
        await world.press("View")
    monkeypatch.undo()
    await world.press("View")
    assert await world.counted() == {"view": 1}
