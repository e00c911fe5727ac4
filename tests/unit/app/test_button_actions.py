"""What pressing a button does: dismissing, code of one's own, operations, and the answer to an Action.Execute."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from ringback.delivery import content as contents
from ringback.engagement import catalogue, dismiss
from ringback.engagement.action import CardAction
from tests.unit.app.conftest import inbound
from tests.unit.app.pressing import LINK, Channel, World


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


async def test_a_message_whose_content_went_for_its_age_keeps_its_words(world, channel):
    """An update out of nothing would empty what the person still reads."""
    row = await world.deliver(channelId="msteams")
    await world.ledger.empty(row)
    assert (await world.press("Dismiss", channelId="msteams"))["text"] == "Dismissed."
    assert (await world.press("View", activity="p2", channelId="msteams"))["text"] == "Opened, thank you."
    assert channel.updates == []
    assert (await world.counted())["dismiss"] == 1


async def test_a_template_that_is_gone_fails_no_press(world, channel):
    row = await world.deliver(channelId="msteams")
    row.content = contents.from_template("no-such-template", {}, None, None)
    await world.ledger.save(row, content=True)
    assert (await world.press("Dismiss", channelId="msteams"))["text"] == "Dismissed."
    assert channel.updates == []
    assert await world.counted() == {"dismiss": 1}


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
