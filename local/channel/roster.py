"""The connector's conversations, members and attachments."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import web

from local.channel.account import Addressee
from local.channel.connector import keep, paged, reach
from local.channel.context import CHANNEL, Channel
from local.channel.errors import ChannelError, activity_not_found, bad_argument, missing_property, too_large
from local.channel.groups import KINDS, kind_of, open_group, person
from local.channel.identity import DEFAULT_TENANT
from local.channel.people import aad_object_id
from local.channel.properties import checked
from local.channel.store import (
    DIRECT_LINE,
    TEAMS,
    Attachment,
    Conversation,
    Member,
    new_conversation,
    new_conversation_id,
)
from local.channel.supervision import Cargo, supervised
from local.channel.uploads import new_attachment
from local.channel.wire import MAX_FILE, field, json_answer, read_object, text_field

CONVERSATIONS_PAGE = 100
MEMBERS_PAGE = 200
MEMBERS_PAGE_MAX = 500


async def create_conversation(request: web.Request) -> web.Response:
    """A conversation with a user by id, or a group.

    A Teams user has one conversation with a bot: it is found, not made twice. A group is new each time.
    """
    channel = request.app[CHANNEL]
    body = await read_object(request, "The conversation parameters")
    kind, first = kind_of(body), body.get("activity")
    if first:
        checked(first)
    channel_id, tenant = _place(request, body)
    bot = channel.identity.bot(channel_id)
    if kind:
        conversation = open_group(channel, channel_id, tenant, kind, body)
    else:
        conversation = _found_or_made(channel, channel_id, tenant, _member(channel, channel_id, tenant, body), bot)
    # The bot made it: it need not be told who is in it.
    channel.store.announced(conversation.id, channel.store.members(conversation.id))
    answer = {"id": conversation.id, "serviceUrl": channel.identity.service_url_of(conversation)}
    if first:
        answer["activityId"] = keep(request, conversation, first)
    return json_answer(answer, 201)


def first_send(request: web.Request, body: dict[str, Any] | None) -> Cargo:
    """Who makes a conversation sends only what it brings as its 'activity'."""
    if body is None:
        return Cargo([None], Addressee())
    first = body.get("activity")
    return Cargo([first] if isinstance(first, dict) and first else [], _addressee(request, body))


def _first_member(body: dict[str, Any]) -> Any:
    return next(iter(_list(body.get("members"))), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _addressee(request: web.Request, body: dict[str, Any]) -> Addressee:
    channel_id, tenant = _place(request, body)
    if channel_id == DIRECT_LINE:
        return Addressee(DIRECT_LINE, "", text_field(_first_member(body), "id"))
    if body.get("isGroup") is True or text_field(body, "conversationType") in KINDS:
        names = [text_field(each, "id") or text_field(each, "aadObjectId") for each in _list(body.get("members"))]
        return Addressee(TEAMS, tenant, group="\n".join([text_field(body, "topicName"), *sorted(names)]))
    known = person(request.app[CHANNEL], tenant, _first_member(body))
    return Addressee(TEAMS, tenant, known.id if known else "")


def _place(request: web.Request, body: dict[str, Any]) -> tuple[str, str]:
    """Channel id and tenant: what names a tenant is Teams, and so is what was sent to its serviceUrl."""
    tenant = text_field(body, "tenantId") or text_field(field(field(body, "channelData"), "tenant"), "id")
    teams = bool(tenant) or request.path.startswith("/teams/")
    return (TEAMS, tenant or DEFAULT_TENANT) if teams else (DIRECT_LINE, "")


def _member(channel: Channel, channel_id: str, tenant: str, body: dict[str, Any]) -> Member:
    given = _first_member(body)
    if channel_id == TEAMS and len(body.get("members") or ()) > 1:
        raise bad_argument("A conversation of several 'members' is a group: say so with 'isGroup'.")
    user = text_field(given, "id")
    named = Member(user, text_field(given, "name"), "user") if user else None
    member = person(channel, tenant, given) if channel_id == TEAMS else named
    if member is None:
        raise missing_property("Name the user as the first of 'members', with an 'id'.")
    return member


def _found_or_made(channel: Channel, channel_id: str, tenant: str, member: Member, bot: Member) -> Conversation:
    if channel_id == TEAMS:
        known = channel.store.conversation_with(TEAMS, tenant, member.id)
        if known:
            return known
    made = new_conversation(
        new_conversation_id(), channel_id, user_id=member.id, user_name=member.name, tenant_id=tenant
    )
    channel.store.start(made, bot, member)
    return made


async def list_conversations(request: web.Request) -> web.Response:
    channel = request.app[CHANNEL]
    token = request.query.get("continuationToken", "")
    page, following = paged(channel.store.conversation_ids(), CONVERSATIONS_PAGE, token)
    data = [
        {"id": conversation.id, "members": _roster(channel, conversation)}
        for conversation in map(channel.store.conversation, page)
        if conversation
    ]
    return json_answer({"conversations": data, "continuationToken": following})


async def get_members(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    return json_answer(_roster(channel, conversation))


async def get_activity_members(request: web.Request) -> web.Response:
    """Who took part: everybody in the conversation, as everybody sees everything."""
    channel, conversation = reach(request)
    activity = request.match_info["activity"]
    if not channel.store.gave(conversation.id, activity) and activity not in channel.turns.told:
        raise activity_not_found(activity)
    return json_answer(_roster(channel, conversation))


async def get_paged_members(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    wanted = request.query.get("pageSize", str(MEMBERS_PAGE))
    if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted[:9]) <= MEMBERS_PAGE_MAX:
        raise bad_argument(f"pageSize must be a number from 1 to {MEMBERS_PAGE_MAX}.")
    token = request.query.get("continuationToken", "")
    members, following = paged(_roster(channel, conversation), int(wanted), token)
    data: dict[str, Any] = {"members": members}
    if following:
        data["continuationToken"] = following
    return json_answer(data)


async def get_member(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    wanted = request.match_info["member"]
    for member in _roster(channel, conversation):
        if wanted in (member["id"], member.get("aadObjectId")):
            return json_answer(member)
    raise ChannelError(404, "MemberNotFoundInConversation", f"{wanted!r} is not a member of this conversation.")


async def delete_member(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    if not channel.store.remove_member(conversation.id, request.match_info["member"]):
        raise ChannelError(404, "MemberNotFoundInConversation", "There is no such member in this conversation.")
    return json_answer({})


def _roster(channel: Channel, conversation: Conversation) -> list[dict[str, Any]]:
    members = channel.store.members(conversation.id)
    if conversation.channel_id != TEAMS:
        return [{"id": member.id, "name": member.name, "role": member.role} for member in members]
    return [_teams_member(conversation, member) for member in members if member.role == "user"]


def _teams_member(conversation: Conversation, member: Member) -> dict[str, Any]:
    """Teams tells no bot in its roster, and more of a person."""
    name = member.name or member.id
    address = f"{''.join(filter(str.isalnum, name)).lower() or 'user'}@contoso.example"
    object_id = member.object_id or aad_object_id(member.id)
    return {
        "id": member.id,
        "name": name,
        "aadObjectId": object_id,
        "objectId": object_id,
        "email": address,
        "userPrincipalName": address,
        "tenantId": conversation.tenant_id,
        "userRole": "user",
    }


async def upload_attachment(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    body = await read_object(request, "The attachment", limit=3 * MAX_FILE)
    thumbnail = _base64(body, "thumbnailBase64")
    data = _base64(body, "originalBase64")
    file = new_attachment(text_field(body, "name"), text_field(body, "type"), data, thumbnail or None)
    channel.store.add_attachment(conversation.id, file)
    return json_answer({"id": file.id}, 201)


def _base64(body: dict[str, Any], name: str) -> bytes:
    try:
        data = base64.b64decode(text_field(body, name), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_argument(f"{name!r} is not base64: {error}.") from error
    if len(data) > MAX_FILE:
        raise too_large("The attachment", MAX_FILE)
    return data


async def attachment_info(request: web.Request) -> web.Response:
    file = _attachment(request)
    views = [{"viewId": "original", "size": len(file.data)}]
    if file.thumbnail:
        views.append({"viewId": "thumbnail", "size": len(file.thumbnail)})
    return json_answer({"name": file.name, "type": file.type, "views": views})


async def attachment_view(request: web.Request) -> web.Response:
    """The bytes. Clients reach them by the public URL that takes this one's place in what the bot sends."""
    file = _attachment(request)
    views = {"original": file.data, "thumbnail": file.thumbnail}
    data = views.get(request.match_info["view"])
    if data is None:
        raise ChannelError(404, "AttachmentNotFound", "This attachment has no such view.")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return web.Response(body=data, headers={"Content-Type": file.type, **headers})


def _attachment(request: web.Request) -> Attachment:
    file = request.app[CHANNEL].store.attachment(request.match_info["attachment"])
    if file is None:
        raise ChannelError(404, "AttachmentNotFound", "There is no such attachment in this channel's state.")
    return file


def routes(prefix: str) -> list[web.RouteDef]:
    base = f"{prefix}/v3/conversations"
    one = base + "/{conversation}"
    return [
        web.post(base, supervised("create", create_conversation, first_send)),
        web.get(base, supervised("conversations", list_conversations)),
        web.get(f"{one}/members", supervised("members", get_members)),
        web.get(f"{one}/pagedmembers", supervised("members", get_paged_members)),
        web.get(one + "/members/{member}", supervised("members", get_member)),
        web.delete(one + "/members/{member}", supervised("members", delete_member)),
        web.get(one + "/activities/{activity}/members", supervised("members", get_activity_members)),
        web.post(f"{one}/attachments", supervised("attachments", upload_attachment)),
        web.get(prefix + "/v3/attachments/{attachment}", supervised("attachments", attachment_info)),
        web.get(prefix + "/v3/attachments/{attachment}/views/{view}", supervised("attachments", attachment_view)),
    ]
