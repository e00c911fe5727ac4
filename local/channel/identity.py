"""Who is who on each channel id: ids, names, tenants, and the activities that tell the bot of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from local.channel.store import TEAMS, Activity, Conversation, Member
from local.channel.wire import now

DEFAULT_TENANT = "11111111-2222-4333-8444-555555555555"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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
        added = [{"id": member.id, "name": member.name} for member in members]
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
        data["aadObjectId"] = aad_object_id(member.id)
    return data


def conversation_account(conversation: Conversation) -> dict[str, Any]:
    if conversation.channel_id != TEAMS:
        return {"id": conversation.id}
    return {"id": conversation.id, "conversationType": "personal", "tenantId": conversation.tenant_id}


def _teams_data(conversation: Conversation, activity: Activity) -> Activity:
    if conversation.channel_id != TEAMS:
        return {}
    given = activity.get("channelData")
    data = given if isinstance(given, dict) else {}
    return {"channelData": {**data, "tenant": {"id": conversation.tenant_id}}}


def aad_object_id(user_id: str) -> str:
    """A GUID that is always the same for a user id; a bot may name a person by it, and then it is both."""
    if GUID.fullmatch(user_id):
        return user_id
    digest = hashlib.sha256(user_id.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
