"""Somebody to whom a card with buttons was delivered, and a channel that can edit it."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec

from ringback.bot.arrivals import arrive
from ringback.bot.buttons import ButtonDesk
from ringback.bot.dialogue import Dialogue
from ringback.bot.preferences import PreferencesDesk
from ringback.channels.port import Outcome, SendResult
from ringback.delivery import content as contents
from ringback.delivery.ledger import Ledger
from ringback.delivery.ledger_row import new_row
from ringback.delivery.notification import Notification
from ringback.operations.desk import OperationsDesk
from ringback.tables.engagement import EngagementTable
from ringback.tables.operations import OperationTable
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
