"""Group chats and channels of the Teams-like channel id: how they are made, and who is in them."""

from __future__ import annotations

from typing import Any

from local.channel.context import Channel
from local.channel.errors import bad_argument, missing_property
from local.channel.people import is_object_id
from local.channel.properties import NewConversation, of_types
from local.channel.store import CHANNEL_THREAD, GROUP_CHAT, TEAMS, Conversation, Member, new_group
from local.channel.wire import field, text_field

KINDS = (GROUP_CHAT, CHANNEL_THREAD)


def kind_of(body: dict[str, Any]) -> str:
    """The conversationType that a body asks for, empty for a personal one.

    `isGroup` makes a group chat or, when `channelData` names a channel, a channel.
    """
    of_types(body, NewConversation)
    wanted = text_field(body, "conversationType")
    if wanted and wanted not in ("personal", *KINDS):
        raise bad_argument(f"conversationType must be 'personal', {GROUP_CHAT!r} or {CHANNEL_THREAD!r}.")
    if wanted in KINDS or body.get("isGroup") is not True:
        return wanted if wanted in KINDS else ""
    data = field(body, "channelData")
    return CHANNEL_THREAD if field(data, "teamsChannelId") or field(data, "channel") else GROUP_CHAT


def person(channel: Channel, tenant: str, given: Any) -> Member | None:
    """Who is meant by an `id`, by an object id in its place, or by an `aadObjectId`; None when nobody is named."""
    user, name = text_field(given, "id"), text_field(given, "name")
    object_id = text_field(given, "aadObjectId").lower()
    if is_object_id(user):
        user, object_id = "", user.lower()
    if not user and not object_id:
        return None
    known = channel.store.person(tenant, user, object_id)
    if known:
        return Member(known.id, name or known.name, "user", known.object_id)
    return Member(user or object_id, name, "user", object_id)


def open_group(channel: Channel, channel_id: str, tenant: str, kind: str, body: dict[str, Any]) -> Conversation:
    """A new group with the members of `body`, not yet announced to the bot."""
    if channel_id != TEAMS:
        raise bad_argument(f"This channel has no groups: use {TEAMS!r}, which has.")
    members: dict[str, Member] = {}
    for given in body.get("members") or ():
        member = person(channel, tenant, given)
        if member is None:
            raise missing_property("Each of 'members' needs an 'id' or an 'aadObjectId'.")
        members.setdefault(member.id, member)
    if not members:
        raise missing_property("Name the people of the group in 'members', each with an 'id'.")
    made = new_group(kind, tenant, text_field(body, "topicName"), text_field(body, "locale"))
    channel.store.start(made, channel.identity.bot(channel_id), *members.values())
    return made
