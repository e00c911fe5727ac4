"""What a channel's POST says, in our own shape; whatever is wrong with it becomes a RequestError naming the field.

Needs nothing of the bot SDK. `parse_inbound` trusts nobody: authenticate the body first.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback import ids
from ringback.delivery.reference import Reference
from ringback.errors import RequestError, TooLargeError

# Bot Framework refuses activities over 256 KiB on its own channels.
LARGEST_BODY = 512 * 1024
GROUP_TYPES = {"channel", "groupChat"}
# Elsewhere the client writes what stands there, and would become whoever it names.
DIRECTORY_CHANNELS = {"msteams"}


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file or a card; `content` is whatever JSON the channel put there."""

    content_type: str = ""
    content_url: str | None = None
    name: str | None = None
    content: Any = None


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """One activity from a channel; `text` is without the mention of the bot, stripped, "" when there is none."""

    reference: Reference
    type: str
    activity_id: str
    text: str = ""
    name: str | None = None
    action: str | None = None
    value: Any = None
    attachments: tuple[Attachment, ...] = ()
    members_added: tuple[str, ...] = ()
    members_removed: tuple[str, ...] = ()
    locale: str | None = None
    time_zone: str | None = None
    reply_to_id: str | None = None
    delivery_mode: str | None = None
    channel_data: Any = None
    is_from_bot: bool = False

    @property
    def bot_was_added(self) -> bool:
        return self.reference.bot_id in self.members_added

    @property
    def people_added(self) -> tuple[str, ...]:
        return tuple(member for member in self.members_added if member != self.reference.bot_id)


def decode_body(raw: bytes) -> Any:
    """The JSON of a request's body; RequestError when it is none, TooLargeError over LARGEST_BODY."""
    if len(raw) > LARGEST_BODY:
        raise TooLargeError(f"An activity may have {LARGEST_BODY} bytes; this one has {len(raw)}.")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"The body is not JSON: {error}.") from error


def parse_inbound(body: Any, *, now: datetime | None = None) -> Inbound:
    """The activity in `body`, decoded JSON; RequestError names the first field at fault."""
    if not isinstance(body, dict):
        raise RequestError("The body must be one activity, a JSON object.")
    encoded = _encodable(body)
    reference = _reference(body, now or datetime.now(timezone.utc))
    channel_data = body.get("channelData")
    return Inbound(
        reference=reference,
        type=_required(body, "type"),
        # A message without an id still has one for whoever must recognise the POST when it comes again.
        activity_id=_optional(body, "id") or f"body-{ids.digest(encoded.decode())}",
        text=_spoken(body, reference),
        name=_optional(body, "name"),
        action=_optional(body, "action"),
        value=body.get("value"),
        attachments=_attachments(body),
        members_added=_members(body, "membersAdded"),
        members_removed=_members(body, "membersRemoved"),
        locale=reference.locale,
        time_zone=_loose(body, "localTimezone") or _client_zone(body),
        reply_to_id=_optional(body, "replyToId"),
        delivery_mode=_optional(body, "deliveryMode"),
        channel_data=channel_data,
        is_from_bot=_loose(body, "from", "role") == "bot" or reference.user_id == reference.bot_id,
    )


def _encodable(body: dict[str, Any]) -> bytes:
    """Lone surrogates and bottomless nesting would fail wherever this is written later."""
    try:
        return msgspec.json.encode(body)
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise RequestError(f"The activity holds what no channel sends: {error}.") from error


def _reference(body: dict[str, Any], now: datetime) -> Reference:
    conversation_type = _loose(body, "conversation", "conversationType")
    conversation = _object(body, "conversation")
    return Reference(
        channel_id=_required(body, "channelId"),
        service_url=_required(body, "serviceUrl"),
        conversation_id=_required(body, "conversation", "id"),
        # Teams says it in either place, and the SDK's model drops the first.
        tenant_id=_loose(body, "conversation", "tenantId") or _loose(body, "channelData", "tenant", "id"),
        bot_id=_optional(body, "recipient", "id") or "",
        bot_name=_loose(body, "recipient", "name"),
        user_id=_required(body, "from", "id"),
        user_name=_loose(body, "from", "name"),
        user_aad_id=_loose(body, "from", "aadObjectId") if body["channelId"] in DIRECTORY_CHANNELS else None,
        locale=_loose(body, "locale"),
        is_group=conversation.get("isGroup") is True or conversation_type in GROUP_TYPES,
        seen_at=now,
    )


def _client_zone(body: dict[str, Any]) -> str | None:
    """Teams tells the person's IANA time zone in an entity."""
    infos = (entity for entity in _objects(body, "entities") if entity.get("type") == "clientInfo")
    return next((zone for entity in infos if isinstance(zone := entity.get("timezone"), str) and zone), None)


def _spoken(body: dict[str, Any], reference: Reference) -> str:
    text = _optional(body, "text") or ""
    for entity in _objects(body, "entities"):
        mentioned, spelled = entity.get("mentioned"), entity.get("text")
        is_bot = isinstance(mentioned, dict) and mentioned.get("id") == reference.bot_id
        if entity.get("type") == "mention" and is_bot and isinstance(spelled, str) and spelled:
            text = text.replace(spelled, "")
    if reference.bot_name:
        text = re.sub(rf"<at[^<>]*>{re.escape(reference.bot_name)}</at>", "", text, flags=re.IGNORECASE)
    return text.replace("\u00a0", " ").strip()


def _attachments(body: dict[str, Any]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            content_type=_optional(item, "contentType") or "",
            content_url=_optional(item, "contentUrl"),
            name=_optional(item, "name"),
            content=item.get("content"),
        )
        for item in _objects(body, "attachments")
    )


def _members(body: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(_required(member, "id") for member in _objects(body, name))


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"{name} must be an object.", field=name)
    return value


def _objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    values = body.get(name)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RequestError(f"{name} must be a list of objects.", field=name)
    return values


def _optional(body: dict[str, Any], *path: str) -> str | None:
    for name in path[:-1]:
        body = _object(body, name)
    value = body.get(path[-1])
    if value is not None and not isinstance(value, str):
        field = ".".join(path)
        raise RequestError(f"{field} must be a string.", field=field)
    return value


def _required(body: dict[str, Any], *path: str) -> str:
    value = _optional(body, *path)
    if not value or not value.strip():
        field = ".".join(path)
        raise RequestError(f"{field} is missing: every activity of a channel carries it.", field=field)
    return value


def _loose(body: dict[str, Any], *path: str) -> str | None:
    """For what is nice to have: a wrong shape is as good as none."""
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None
