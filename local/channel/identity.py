"""Who is who on each channel id: ids, names, tenants, and the activities that tell the bot of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.channel.people import aad_object_id
from local.channel.store import CHANNEL_THREAD, TEAMS, Activity, Conversation, Member
from local.channel.wire import now

DEFAULT_TENANT = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Identity:
    """`service_url` is where the bot reaches the connector; Teams conversations have their own path below it."""

    service_url: str
    bot_id: str = "bot"
    bot_name: str = "Bot"

    def bot(self, channel_id: str) -> Member:
        return Member(f"28:{self.bot_id}" if channel_id == TEAMS else self.bot_id, self.bot_name, "bot")

    def service_url_of(self, conversation: Conversation) -> str:
        return f"{self.service_url}/teams/" if conversation.channel_id == TEAMS else self.service_url

    def shown(self, conversation: Conversation, sender: Member, activity: Activity) -> Activity:
        """The properties of a user's activity that the channel sets, as clients see them."""
        given = activity.get("from")
        sender_data = {**(given if isinstance(given, dict) else {}), **account(conversation.channel_id, sender)}
        return {
            "timestamp": now(),
            "channelId": conversation.channel_id,
            "from": sender_data,
            "conversation": {"id": conversation.id},
        }

    def addressed(self, conversation: Conversation, activity: Activity) -> Activity:
        """The properties that a user's activity has towards the bot only."""
        bot = self.bot(conversation.channel_id)
        return {
            "serviceUrl": self.service_url_of(conversation),
            "recipient": {"id": bot.id, "name": bot.name},
            "conversation": conversation_account(conversation),
            **_teams_data(conversation, activity),
        }

    def from_bot(self, conversation: Conversation, activity: Activity) -> Activity:
        """The properties that the channel sets on what the bot sends."""
        bot = self.bot(conversation.channel_id)
        given = activity.get("from")
        sender = {"id": bot.id, "name": bot.name, "role": "bot"}
        if isinstance(given, dict):
            sender = {**sender, **{name: value for name, value in given.items() if value}, "id": bot.id}
        return {
            "channelId": conversation.channel_id,
            "conversation": {"id": conversation.id},
            "from": sender,
        }

    def arrivals(self, conversation: Conversation, members: list[Member]) -> list[Activity]:
        """What tells the bot that members joined; without a known user it comes from the conversation's own id."""
        user = next((member for member in members if member.role == "user"), None)
        known = user or (Member(conversation.user_id, conversation.user_name, "user") if conversation.user_id else None)
        sender = known or Member(conversation.id, "", "user")
        base: Activity = {"timestamp": now(), "channelId": conversation.channel_id}
        base |= {"from": account(conversation.channel_id, sender), **self.addressed(conversation, {})}
        if conversation.locale:
            base["locale"] = conversation.locale
        added = [_added(conversation.channel_id, member) for member in members]
        updates = [{"type": "conversationUpdate", "membersAdded": added, **base}]
        if conversation.channel_id == TEAMS and any(member.role == "bot" for member in members):
            updates.append({"type": "installationUpdate", "action": "add", **base})
        return updates


def account(channel_id: str, member: Member) -> dict[str, Any]:
    """A member as `from` of an activity or an entry of a roster."""
    data = {"id": member.id}
    if member.name:
        data["name"] = member.name
    if member.role == "user":
        data["role"] = "user"
    if channel_id == TEAMS and member.role == "user":
        data["aadObjectId"] = member.object_id or aad_object_id(member.id)
    return data


def _added(channel_id: str, member: Member) -> dict[str, Any]:
    return {
        "name": member.name,
        **{name: value for name, value in account(channel_id, member).items() if name != "role"},
    }


def conversation_account(conversation: Conversation) -> dict[str, Any]:
    """A conversation as the bot is told of it."""
    if conversation.channel_id != TEAMS:
        return {"id": conversation.id}
    data: dict[str, Any] = {"id": conversation.id, "conversationType": "personal", "tenantId": conversation.tenant_id}
    if conversation.is_group:
        data |= {"conversationType": conversation.kind, "isGroup": True}
    if conversation.topic:
        data["name"] = conversation.topic
    return data


def _teams_data(conversation: Conversation, activity: Activity) -> Activity:
    if conversation.channel_id != TEAMS:
        return {}
    given = activity.get("channelData")
    data = given if isinstance(given, dict) else {}
    teams: dict[str, Any] = {"tenant": {"id": conversation.tenant_id}}
    if conversation.kind == CHANNEL_THREAD:
        # The first channel of a team has the team's own id.
        place = {"id": conversation.id}
        teams |= {"channel": place, "team": place, "teamsChannelId": conversation.id, "teamsTeamId": conversation.id}
    return {"channelData": {**data, **teams}}
