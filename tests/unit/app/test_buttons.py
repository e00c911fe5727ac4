"""Presses on delivered cards, from the dialogue to the ledger's view and the sums over all."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import azure.functions as func
import msgspec
import pytest

import bot_http.engagement
import bot_http.notifications
from ringback import metrics
from ringback.bot.arrivals import arrive
from ringback.bot.buttons import ButtonDesk
from ringback.bot.dialogue import Dialogue
from ringback.bot.preferences import PreferencesDesk
from ringback.channels.port import Outcome, SendResult
from ringback.delivery import content as contents
from ringback.delivery.erasure import erase_user
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification
from ringback.engagement import catalogue, dismiss
from ringback.engagement.action import CardAction
from ringback.errors import RetryableError
from ringback.operations.desk import OperationsDesk
from ringback.tables import engagement
from ringback.tables.aliases import AliasTable, resolve_id
from ringback.tables.engagement import EngagementTable
from ringback.tables.notifications import NotificationEntry
from ringback.tables.operations import OperationTable
from ringback.tables.users import UserTable
from tests.unit.app.conftest import inbound
from tests.unit.app.people import Entities

# When `inbound` says that everything is heard.
BORN = datetime(2026, 3, 1, tzinfo=timezone.utc)
LINK = "https://shop.example/7"
CARD = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [{"type": "TextBlock", "text": "Parcel 7"}],
    "actions": [
        {"type": "Action.Submit", "title": "View", "data": {"action": "view"}},
        {"type": "Action.Submit", "title": "Dismiss", "data": {"action": "dismiss"}},
        {"type": "Action.Execute", "title": "Rate", "verb": "rate", "data": {"stars": 5}},
        {"type": "Action.Submit", "title": "Ask", "data": {"action": "start", "operation": "external-job"}},
        {"type": "Action.Submit", "title": "Settings", "data": "settings"},
    ],
}


class Channel:
    def __init__(self) -> None:
        self.updates = []

    async def update(self, recipient, activity_id, payload):
        self.updates.append((activity_id, payload))
        return SendResult(outcome=Outcome.DELIVERED)


class World:
    """Somebody to whom a card was delivered."""

    def __init__(self, tables, engine, config) -> None:
        self.tables, self.engine, self.entities = tables, engine, Entities()
        self.ledger = Ledger(tables)
        desk = PreferencesDesk(tables, engine, self.entities, config)
        operations = OperationsDesk(OperationTable(tables), engine)
        self.dialogue = Dialogue(operations, desk, ButtonDesk(tables), config, None)

    async def heard(self, text="", at=BORN, **fields):
        said = inbound(text, **fields)
        said = msgspec.structs.replace(said, reference=msgspec.structs.replace(said.reference, seen_at=at))
        return await arrive(said, self.tables, self.entities)

    async def deliver(self, identity="notify-7", link=LINK, **fields):
        here = await self.heard("hello", activity=f"hello-{identity}", **fields)
        user, reference = here.reference.user_key, here.reference.key
        content = contents.from_card(CARD, "Parcel", link)
        notification = Notification(id=identity, user=user, category="orders", content=content)
        row = msgspec.structs.replace(
            new_row(notification, BORN),
            state="delivered",
            channel="bot",
            reference=reference,
            activity_id="m1",
            tries=1,
        )
        await self.ledger.open(row)
        return row

    def data(self, title, identity="notify-7"):
        shown = contents.marked(contents.from_card(CARD, None, None), identity)["attachments"][0]["content"]["actions"]
        return next(action["data"] for action in shown if action["title"] == title)

    async def press(self, title, identity="notify-7", activity="p1", value=None, **fields):
        given = self.data(title, identity) if value is None else value
        here = await self.heard(value=given, activity=activity, **fields)
        [answer] = await self.dialogue.respond(here)
        return answer

    async def counted(self, identity="notify-7"):
        found = await EngagementTable(self.tables).of(identity, BORN)
        return {name: presses.presses for name, presses in found.items()}


@pytest.fixture
def world(tables, engine, config):
    return World(tables, engine, config)


@pytest.fixture
def channel(monkeypatch, config):
    found = Channel()
    monkeypatch.setattr(dismiss, "sender", lambda _: found)
    monkeypatch.setattr(dismiss, "settings", lambda: config)
    monkeypatch.setattr(dismiss, "SECONDS", 60.0)
    return found


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
    assert await world.counted() == {"view": 3}


async def test_dismissing_takes_the_buttons_away_where_the_channel_can_edit(world, channel):
    await world.deliver(channelId="msteams")
    assert (await world.press("Dismiss", channelId="msteams"))["text"] == "Dismissed."
    [(activity_id, payload)] = channel.updates
    assert activity_id == "m1"
    [link] = payload["attachments"][0]["content"]["actions"]
    assert (link["type"], link["url"]) == ("Action.OpenUrl", LINK)
    assert await world.counted() == {"dismiss": 1}


async def test_dismissing_changes_nothing_where_the_channel_cannot_or_others_see_the_card(world, channel):
    await world.deliver()
    assert (await world.press("Dismiss"))["text"] == "Dismissed."
    group = {"channelId": "msteams", "conversation": {"id": "19:g", "isGroup": True}}
    await world.deliver("notify-8", **group)
    await world.press("Dismiss", "notify-8", **group)
    assert channel.updates == []
    assert (await world.counted("notify-8")) == {"dismiss": 1}


async def test_a_channel_that_is_slow_holds_up_no_press_and_still_changes_the_card(world, channel, monkeypatch):
    gate, update = asyncio.Event(), channel.update

    async def slow(*given):
        await gate.wait()
        return await update(*given)

    monkeypatch.setattr(channel, "update", slow)
    monkeypatch.setattr(dismiss, "SECONDS", 0.01)
    await world.deliver(channelId="msteams")
    assert (await world.press("Dismiss", channelId="msteams"))["text"] == "Dismissed."
    assert channel.updates == []
    gate.set()
    await asyncio.gather(*dismiss._late)
    assert len(channel.updates) == 1


async def test_a_template_that_is_gone_fails_no_press(world, channel):
    row = await world.deliver(channelId="msteams")
    row.content = contents.from_template("no-such-template", {}, None, None)
    await world.ledger.save(row, content=True)
    assert (await world.press("Dismiss", channelId="msteams"))["text"] == "Dismissed."
    assert channel.updates == []
    assert await world.counted() == {"dismiss": 1}


async def test_any_other_button_is_acknowledged_and_counted(world):
    await world.deliver()
    assert "noted" in (await world.press("Rate"))["text"]
    assert await world.counted() == {"rate": 1}


async def test_a_registered_action_answers_its_presses(world, monkeypatch):
    seen = []

    async def respond(press, tables):
        seen.append((press.id, press.data, press.delivery.id, press.reference.user_id, tables is world.tables))
        return f"{press.data['stars']} stars!"

    monkeypatch.setattr(catalogue, "ACTIONS", (*catalogue.ACTIONS, CardAction(name="rate", respond=respond)))
    await world.deliver()
    assert (await world.press("Rate"))["text"] == "5 stars!"
    assert seen == [("p1", {"stars": 5}, "notify-7", "dl_ann", True)]
    assert await world.counted() == {"rate": 1}


async def test_a_button_may_start_an_operation_or_say_something(world):
    await world.deliver()
    assert "One moment please" in (await world.press("Ask"))["text"]
    [(_, _, payload)] = world.engine.started
    assert payload["operation"] == "external-job"
    assert "stop" in (await world.press("Settings", activity="p2"))["text"]
    assert await world.counted() == {"start": 1, "submit": 1}


async def test_an_execute_is_answered_with_its_request(world):
    await world.deliver()
    action = {"type": "Action.Execute", "verb": "rate", "data": world.data("Rate")}
    fields = {"type": "invoke", "name": "adaptiveCard/action"}
    answer = await world.press("Rate", value={"action": action, "trigger": "manual"}, **fields)
    assert answer["type"] == "invokeResponse"
    assert answer["value"]["status"] == 200
    body = answer["value"]["body"]
    assert (body["statusCode"], body["type"]) == (200, "application/vnd.microsoft.activity.message")
    assert "noted" in body["value"]
    assert await world.counted() == {"rate": 1}


async def test_an_execute_that_starts_something_gets_a_message_too(world):
    await world.deliver()
    value = {"action": {"type": "Action.Execute", "data": world.data("Ask")}}
    here = await world.heard(type="invoke", name="adaptiveCard/action", value=value)
    message, answer = await world.dialogue.respond(here)
    assert "One moment please" in message["text"]
    assert answer["value"]["body"]["statusCode"] == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "task/fetch", "value": {}}, 501),
        ({"name": "adaptiveCard/action", "value": {"action": {"data": {"action": "view"}}}}, 200),
        ({"name": "adaptiveCard/action", "value": "x"}, 200),
        ({}, 501),
    ],
)
async def test_invokes_that_no_button_of_ours_made(world, fields, status):
    [answer] = await world.dialogue.respond(inbound(type="invoke", **fields))
    assert answer["value"]["status"] == status
    if status == 200:
        assert answer["value"]["body"]["statusCode"] == 400


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
    for wrong in ({"from": "x"}, {"from": "2026-03-02", "to": "2026-03-01"}, {"from": "2020-01-01"}):
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


async def test_the_action_of_the_docs_answers_its_button(world, monkeypatch):
    page = Path(__file__).resolve().parents[3] / "docs" / "engagement.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    saved = []

    async def save_rating(user, stars, once):
        saved.append((stars, once))

    names = {"save_rating": save_rating, "__name__": "rate"}
    exec(compile(code, str(page), "exec"), names)
    monkeypatch.setattr(catalogue, "ACTIONS", (*catalogue.ACTIONS, names["RATE"]))
    await world.deliver()
    assert (await world.press("Rate"))["text"] == "5 stars, thank you!"
    assert saved == [(5, "p1")]
