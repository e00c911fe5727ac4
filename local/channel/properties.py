"""The types of an activity's properties, by the Bot Framework's activity schema; null is as good as absent."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from local.channel.errors import bad_argument, missing_property
from local.channel.store import Activity
from local.channel.wire import text_field

Text = str | None
Time = datetime | None
Thing = dict[str, Any] | None
Things = list[dict[str, Any]] | None
PLACE = re.compile(r"(?P<reason>.*?) - at `\$\.?(?P<place>.*)`", re.DOTALL)
JSON_WORDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "datetime": "time"}


class Account(msgspec.Struct, rename="camel"):
    id: Text = None
    name: Text = None
    role: Text = None
    aad_object_id: Text = None


class Attached(msgspec.Struct, rename="camel"):
    content_type: Text = None
    content_url: Text = None
    name: Text = None
    thumbnail_url: Text = None


class Button(msgspec.Struct, rename="camel"):
    type: Text = None
    title: Text = None
    image: Text = None
    text: Text = None
    display_text: Text = None


class Suggested(msgspec.Struct):
    to: list[str] | None = None
    actions: list[Button] | None = None


class Entity(msgspec.Struct):
    type: Text = None
    mentioned: Account | None = None


class Known(msgspec.Struct, rename="camel"):
    """The properties of every kind of activity; others, `value` and `channelData` may be anything."""

    type: Text = None
    id: Text = None
    timestamp: Time = None
    local_timestamp: Time = None
    local_timezone: Text = None
    expiration: Time = None
    from_: Account | None = msgspec.field(default=None, name="from")
    recipient: Account | None = None
    conversation: Thing = None
    text: Text = None
    text_format: Text = None
    speak: Text = None
    summary: Text = None
    locale: Text = None
    input_hint: Text = None
    importance: Text = None
    delivery_mode: Text = None
    attachment_layout: Text = None
    attachments: list[Attached] | None = None
    suggested_actions: Suggested | None = None
    entities: list[Entity] | None = None
    name: Text = None
    label: Text = None
    value_type: Text = None
    code: Text = None
    action: Text = None
    topic_name: Text = None
    history_disclosed: bool | None = None
    reply_to_id: Text = None
    relates_to: Thing = None
    semantic_action: Thing = None
    members_added: list[Account] | None = None
    members_removed: list[Account] | None = None
    reactions_added: Things = None
    reactions_removed: Things = None
    text_highlights: Things = None
    listen_for: list[str] | None = None
    service_url: Text = None
    channel_id: Text = None
    caller_id: Text = None


class NewConversation(msgspec.Struct, rename="camel"):
    """The body of the connector's `POST /v3/conversations`."""

    is_group: bool | None = None
    bot: Account | None = None
    members: list[Account] | None = None
    topic_name: Text = None
    tenant_id: Text = None
    activity: Thing = None


def checked(activity: Activity) -> Activity:
    """The same activity; raises 400 (ChannelError) naming the property that is missing or of a wrong type."""
    of_types(activity, Known)
    if not text_field(activity, "type"):
        raise missing_property("The activity needs a 'type', for example \"message\".")
    return activity


def of_types(data: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise bad_argument(_told(str(error))) from error


def _told(error: str) -> str:
    """`Expected `array | null`, got `int` - at `$.attachments`` in the words of JSON, the property first."""
    found = PLACE.fullmatch(error)
    reason, place = (found["reason"], found["place"]) if found else (error, "")
    reason = re.sub(r"\w+", lambda word: JSON_WORDS.get(word[0], word[0]), reason)
    reason = reason.replace("`", "").replace(" | ", " or ")
    return f"The property {place!r} is malformed: {reason[:1].lower()}{reason[1:]}."
