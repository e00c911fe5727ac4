"""Which messages of a group reach the bot: as on Teams those that mention it.

Cards' buttons, and activities that are no messages, always do.
"""

from __future__ import annotations

import re

from local.channel.store import Activity, Conversation, Member
from local.channel.wire import field, text_field


def with_mention(conversation: Conversation, activity: Activity, bot: Member) -> Activity:
    """`@Name` of the bot in a group's message as Teams writes it: an <at> element and an entity."""
    text = activity.get("text")
    if not conversation.is_group or not isinstance(text, str) or _mentions(activity, bot):
        return activity
    element = f"<at>{bot.name}</at>"
    marked, found = re.subn(rf"(?<!\w)@{re.escape(bot.name)}(?!\w)", lambda _: element, text, flags=re.IGNORECASE)
    if not found:
        return activity
    mention = {"type": "mention", "text": element, "mentioned": {"id": bot.id, "name": bot.name}}
    return {**activity, "text": marked, "entities": [*(activity.get("entities") or ()), mention]}


def reaches_bot(conversation: Conversation, activity: Activity, bot: Member) -> bool:
    if not conversation.is_group or activity.get("type") != "message" or activity.get("value") is not None:
        return True
    return _mentions(activity, bot)


def _mentions(activity: Activity, bot: Member) -> bool:
    entities = activity.get("entities") or ()
    return any(
        text_field(entity, "type") == "mention" and text_field(field(entity, "mentioned"), "id") == bot.id
        for entity in entities
    )
