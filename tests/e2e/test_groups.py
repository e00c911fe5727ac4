"""Notifications to a group chat and to a channel of a team that the bot was added to."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.e2e.directline import HttpError, request, text_of
from tests.e2e.notifying import SECRET, ended, until
from tests.e2e.stack import Stack

BOT = "28:bot"


class Team:
    """A conversation of many, as Teams tells the bot of it; the channel shows what the bot says there."""

    def __init__(self, stack: Stack, kind: str) -> None:
        self.stack, self.kind, self.tenant = stack, kind, str(uuid.uuid4())
        self.id = self.make(f"19:{uuid.uuid4().hex}@thread.tacv2")
        self.path = f"users/msteams%3A{self.id}"

    def make(self, name: str) -> str:
        """A conversation that the local channel will show; its own ids are plain."""
        asked = {"members": [{"id": name}], "tenantId": self.tenant}
        return request("POST", f"{self.stack.channel}/teams/v3/conversations", asked)["id"]

    def tell(self, kind: str, conversation: str = "", **fields: Any) -> None:
        activity = {
            "type": kind,
            "id": uuid.uuid4().hex,
            "channelId": "msteams",
            "serviceUrl": f"{self.stack.channel}/teams/",
            "conversation": {"id": conversation or self.id, "conversationType": self.kind, "isGroup": True},
            "channelData": {"tenant": {"id": self.tenant}},
            "from": {"id": "29:owner", "aadObjectId": f"owner-{self.tenant}"},
            "recipient": {"id": BOT},
            **fields,
        }
        self.stack.api("POST", "messages", activity)

    def notify(self, text: str, **fields: Any) -> dict[str, Any]:
        to = {"conversation": f"msteams:{self.id}"}
        body = {"to": to, "category": "orders", "text": text, **fields}
        return ended(self.stack, self.stack.api("POST", "notifications", body)["id"], seconds=60)

    def read(self) -> list[str]:
        url = f"{self.stack.channel}/v3/directline/conversations/{self.id}/activities"
        return [text_of(activity) for activity in request("GET", url, headers=SECRET)["activities"]]

    def reach(self) -> str:
        conversations = self.stack.api("GET", self.path)["conversations"]
        return conversations[0]["reach"] if conversations else "none"


@pytest.fixture(params=["groupChat", "channel"])
def team(stack: Stack, request: pytest.FixtureRequest) -> Team:
    return Team(stack, request.param)


def test_a_group_that_added_the_bot_is_written_to(stack: Stack, team: Team):
    team.tell("conversationUpdate", membersAdded=[{"id": BOT}])
    until(lambda: team.reach() == "open")
    [known] = stack.api("GET", team.path)["conversations"]
    assert (known["channelId"], known["isGroup"]) == ("msteams", True)
    view = team.notify("The release is out.")
    assert (view["status"], view["channel"], view["tries"]) == ("delivered", "bot", 1)
    assert "The release is out." in team.read()
    by_parts = {"channelId": "msteams", "id": team.id}
    sent = stack.api("POST", "notifications", {"to": {"conversation": by_parts}, "category": "orders", "text": "again"})
    assert ended(stack, sent["id"])["status"] == "delivered"


def test_who_added_the_bot_to_a_group_has_not_consented_for_themselves(stack: Stack, team: Team):
    team.tell("conversationUpdate", membersAdded=[{"id": BOT}])
    until(lambda: team.reach() == "open")
    to = {"aadObjectId": f"owner-{team.tenant}", "tenantId": team.tenant}
    sent = stack.api("POST", "notifications", {"to": to, "category": "orders", "text": "for you alone"})
    view = ended(stack, sent["id"])
    assert (view["status"], view["reason"]) == ("suppressed", "unknown")
    assert "for you alone" not in team.read()


def test_a_group_that_let_the_bot_go_is_not_written_to_until_it_comes_back(stack: Stack, team: Team):
    team.tell("conversationUpdate", membersAdded=[{"id": BOT}])
    until(lambda: team.reach() == "open")
    team.tell("conversationUpdate", membersRemoved=[{"id": BOT}])
    until(lambda: team.reach() == "not-installed")
    view = team.notify("to nobody")
    assert (view["status"], view["reason"], view["tries"]) == ("failed", "not-installed", 0)
    team.tell("conversationUpdate", membersAdded=[{"id": BOT}])
    until(lambda: team.reach() == "open")
    assert team.notify("welcome back")["status"] == "delivered"


def test_a_group_that_opted_out_is_left_in_peace(stack: Stack, team: Team):
    team.tell("conversationUpdate", membersAdded=[{"id": BOT}])
    until(lambda: team.reach() == "open")
    stack.api("PUT", team.path, {"categories": {"orders": False}})
    until(lambda: stack.api("GET", team.path)["categories"].get("orders", {}).get("optedOut") is True)
    view = team.notify("not wanted")
    assert (view["status"], view["reason"]) == ("suppressed", "opted-out")
    assert team.notify("wanted", category="news")["status"] == "delivered"


def test_below_a_post_the_whole_channel_becomes_known(stack: Stack):
    team = Team(stack, "channel")
    with pytest.raises(HttpError) as caught:
        team.notify("nobody knows it")
    assert caught.value.status == 404
    team.tell("message", f"{team.id};messageid=1700000000000", text="hello")
    until(lambda: team.reach() == "open")
    assert team.notify("a post of its own")["status"] == "delivered"
    assert "a post of its own" in team.read()
