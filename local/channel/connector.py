"""The Bot Connector: what the bot calls on its serviceUrl, for Direct Line and for a Teams-like channel id."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local.channel.context import CHANNEL, Channel
from local.channel.errors import ChannelError, activity_not_found, bad_argument
from local.channel.properties import checked
from local.channel.store import TEAMS, Activity, Conversation
from local.channel.supervision import SENDS, Cargo, addressee_of, supervised
from local.channel.uploads import published
from local.channel.wire import BODY, json_answer, now, read_object

# An estimate of Microsoft's own: about 100 KB.
TEAMS_LARGEST = 100 * 1024
NOT_FOR_CLIENTS = ("serviceUrl", "deliveryMode")


def reach(request: web.Request) -> tuple[Channel, Conversation]:
    channel = request.app[CHANNEL]
    return channel, channel.conversation(request.match_info["conversation"])


async def send_to_conversation(request: web.Request) -> web.Response:
    """Keep and show the bot's activity. It is on disk before the 200."""
    _, conversation = reach(request)
    activity = checked(await read_object(request, "The activity"))
    return json_answer({"id": keep(request, conversation, activity)})


async def reply_to_activity(request: web.Request) -> web.Response:
    _, conversation = reach(request)
    activity = checked(await read_object(request, "The activity"))
    activity.setdefault("replyToId", request.match_info["activity"])
    return json_answer({"id": keep(request, conversation, activity)})


async def send_history(request: web.Request) -> web.Response:
    """Keep all of a transcript, or nothing when one of it is malformed."""
    channel, conversation = reach(request)
    activities = (await read_object(request, "The transcript")).get("activities")
    if not isinstance(activities, list) or not all(isinstance(activity, dict) for activity in activities):
        raise bad_argument("'activities' must be an array of activities.")
    for activity in activities:
        checked(activity)
    with channel.database.transaction():
        kept = [keep(request, conversation, activity, place) for place, activity in enumerate(activities)]
    return json_answer({"id": kept[-1] if kept else ""})


def one_send(request: web.Request, body: dict[str, Any] | None) -> Cargo:
    return Cargo([body], addressee_of(request))


def many_sends(request: web.Request, body: dict[str, Any] | None) -> Cargo:
    """Each activity of a transcript is a send; an array that holds something else is one that cannot be read."""
    activities = (body or {}).get("activities")
    if not isinstance(activities, list) or not all(isinstance(activity, dict) for activity in activities):
        activities = [None]
    return Cargo(activities, addressee_of(request))


def keep(request: web.Request, conversation: Conversation, activity: Activity, place: int = 0) -> str:
    """Keep and show the activity at this place of what the call brought; returns its id."""
    channel = request.app[CHANNEL]
    _check_size(conversation, request.get(BODY, b""))
    return channel.transcript.from_bot(conversation, dressed(channel, conversation, activity), request[SENDS][place])


def _check_size(conversation: Conversation, body: bytes) -> None:
    """Teams counts the UTF-16 of a whole message."""
    if conversation.channel_id == TEAMS and len(body.decode("utf-8", "replace").encode("utf-16-le")) > TEAMS_LARGEST:
        raise ChannelError(413, "MessageSizeTooBig", "Message size too large.")


def dressed(channel: Channel, conversation: Conversation, activity: Activity) -> Activity:
    """What the bot sent as clients see it: the channel's own ids and time, whatever the bot put there."""
    shown = {**activity, "timestamp": now(), **channel.identity.from_bot(conversation, activity)}
    if activity.get("attachments"):
        shown["attachments"] = [published(channel, attachment) for attachment in activity["attachments"]]
    for name in ("id", *NOT_FOR_CLIENTS):
        shown.pop(name, None)
    return shown


async def update_activity(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    _require_edits(conversation)
    activity_id = request.match_info["activity"]
    activity = checked(await read_object(request, "The activity"))
    _check_size(conversation, request.get(BODY, b""))
    earlier = _own_activity(channel, conversation, activity_id)
    shown = {
        **dressed(channel, conversation, activity),
        "id": activity_id,
        "timestamp": earlier.get("timestamp", now()),
    }
    channel.transcript.replace(conversation, shown)
    return json_answer({"id": activity_id})


async def delete_activity(request: web.Request) -> web.Response:
    channel, conversation = reach(request)
    _require_edits(conversation)
    activity_id = request.match_info["activity"]
    _own_activity(channel, conversation, activity_id)
    gone = dressed(channel, conversation, {"type": "messageDelete"})
    channel.transcript.remove(conversation, {**gone, "id": activity_id})
    return json_answer({})


def _require_edits(conversation: Conversation) -> None:
    if conversation.channel_id != TEAMS:
        raise ChannelError(405, "BadArgument", "This channel does not support this operation")


def _own_activity(channel: Channel, conversation: Conversation, activity_id: str) -> Activity:
    found = channel.store.activity(conversation.id, activity_id)
    if found is None or found[1].get("type") == "messageDelete":
        raise activity_not_found(activity_id)
    sender, activity = found
    if sender != "bot":
        raise ChannelError(403, "BadArgument", "A bot can change its own activities only.")
    return activity


def routes(prefix: str) -> list[web.RouteDef]:
    activities = prefix + "/v3/conversations/{conversation}/activities"
    one = activities + "/{activity}"
    return [
        web.post(activities, supervised("send", send_to_conversation, one_send)),
        web.post(f"{activities}/history", supervised("send", send_history, many_sends)),
        web.post(one, supervised("send", reply_to_activity, one_send)),
        web.put(one, supervised("update", update_activity)),
        web.delete(one, supervised("delete", delete_activity)),
    ]


def paged(items: list[Any], size: int, token: str) -> tuple[list[Any], str]:
    """A page of `items` and the token of the next one, empty at the end."""
    if token and not (token.isascii() and token.isdigit() and len(token) < 10):
        raise bad_argument("This continuationToken is not one of this channel's.")
    start = int(token or 0)
    following = start + size
    return items[start:following], str(following) if following < len(items) else ""
