"""Files: both forms of Direct Line's upload, and the URLs that they are served at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import quote

from aiohttp import BodyPartReader, MultipartReader, web

from local.channel.context import CHANNEL, Channel
from local.channel.directline import BASE, reach, take
from local.channel.errors import ChannelError, bad_argument, too_large
from local.channel.properties import checked
from local.channel.store import Activity, Attachment, new_id
from local.channel.striking import faulty
from local.channel.wire import (
    MAX_ACTIVITY,
    MAX_FILE,
    MAX_UPLOAD,
    json_answer,
    parse_object,
    read_body,
    read_part,
    readable,
    text_field,
)

ACTIVITY_TYPE = "application/vnd.microsoft.activity"
# A stream of empty files has no end that their size would set.
MAX_PARTS = 100
UNKNOWN_TYPE = "application/octet-stream"
CONNECTOR_URL = re.compile(r"(?:/teams)?/+v3/attachments/(?P<id>[^/]+)/views/original")
MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[\x20-\x7e]*)?", re.ASCII)


@dataclass
class Upload:
    """What one request brought: at most one activity, and files."""

    activity: Activity = field(default_factory=dict)
    files: list[Attachment] = field(default_factory=list)
    size: int = 0
    parts: int = 0


async def upload(request: web.Request) -> web.Response:
    """One file as the body, or multipart with an activity and files; the user is `userId` or the token's."""
    channel, access, conversation = reach(request)
    if request.content_type.startswith("multipart/"):
        received = await _multipart(request)
    else:
        received = await _single(request)
    if not received.files:
        raise bad_argument("The upload holds no file.")
    activity = checked({"type": "message", **received.activity})
    for file in received.files:
        channel.store.add_attachment(conversation.id, file)
    activity["attachments"] = attached(channel, activity.get("attachments"), received.files)
    if user := request.query.get("userId"):
        given = activity.get("from")
        activity["from"] = {**(given if isinstance(given, dict) else {}), "id": user}
    return json_answer({"id": await take(channel, access, conversation, activity)})


async def _single(request: web.Request) -> Upload:
    data = await read_body(request, MAX_FILE, "The file")
    kind = request.headers.get("Content-Type", UNKNOWN_TYPE)
    name = file_name(request.headers.get("Content-Disposition", ""))
    return Upload(files=[new_attachment(name, kind, data)] if data or name else [])


async def _multipart(request: web.Request) -> Upload:
    received = Upload()
    if (request.content_length or 0) > MAX_UPLOAD:
        raise too_large("The upload", MAX_UPLOAD)
    try:
        with readable("The upload"):
            reader = await request.multipart()
            while part := await reader.next():
                received.parts += 1
                if received.parts > MAX_PARTS:
                    raise bad_argument(f"The upload has more than {MAX_PARTS} parts.")
                await _take_part(received, part)
    except ChannelError:
        raise
    except (ValueError, AssertionError, RuntimeError, LookupError) as error:
        raise bad_argument(f"The multipart body is malformed: {error}.") from error
    return received


async def _take_part(received: Upload, part: BodyPartReader | MultipartReader) -> None:
    if not isinstance(part, BodyPartReader):
        raise bad_argument("A part of the upload is multipart itself.")
    kind = part.headers.get("Content-Type", UNKNOWN_TYPE)
    plain = kind.partition(";")[0].strip().lower()
    if plain == ACTIVITY_TYPE or (part.name == "activity" and plain == "application/json"):
        received.activity = parse_object(await read_part(part, MAX_ACTIVITY, "The activity"), "The activity part")
        return
    name = part.filename or part.name or ""
    data = await read_part(part, MAX_FILE, f"The file {name!r}")
    received.size += len(data)
    if received.size > MAX_UPLOAD:
        raise too_large("The upload", MAX_UPLOAD)
    received.files.append(new_attachment(name, kind, data))


def attached(channel: Channel, given: Any, files: list[Attachment]) -> list[dict[str, Any]]:
    """The activity's attachments, completed with the URLs of the files of the same name, in any order."""
    waiting = list(files)
    attachments: list[dict[str, Any]] = []
    for attachment in given if isinstance(given, list) else ():
        if not isinstance(attachment, dict):
            continue
        if text_field(attachment, "contentUrl") or "content" in attachment:
            attachments.append(attachment)
            continue
        name = text_field(attachment, "name")
        file = next((file for file in waiting if file.name == name), None)
        if file:
            waiting.remove(file)
            attachments.append({"contentType": file.type, **attachment, "contentUrl": content_url(channel, file)})
    rest = [{"contentType": file.type, "contentUrl": content_url(channel, file), "name": file.name} for file in waiting]
    return attachments + rest


def content_url(channel: Channel, file: Attachment) -> str:
    return f"{channel.options.public_url}/attachments/{file.id}/{quote(file.name, safe='')}"


def published(channel: Channel, attachment: dict[str, Any]) -> dict[str, Any]:
    """An attachment of the bot whose URL is the connector's, which wants a token, with one that clients can open."""
    url = text_field(attachment, "contentUrl")
    found = CONNECTOR_URL.fullmatch(url.removeprefix(channel.options.public_url))
    file = channel.store.attachment(found["id"]) if found else None
    return {**attachment, "contentUrl": content_url(channel, file)} if file else attachment


def new_attachment(name: str, kind: str, data: bytes, thumbnail: bytes | None = None) -> Attachment:
    kind = kind if MEDIA_TYPE.fullmatch(kind) else UNKNOWN_TYPE
    return Attachment(new_id(32), name or "file", kind, data, thumbnail)


def file_name(disposition: str) -> str:
    """The file name of a Content-Disposition header, in either of its forms; empty when there is none."""
    message = Message()
    message["Content-Disposition"] = disposition
    name = message.get_filename() or ""
    return name.replace("\\", "/").rpartition("/")[2]


async def serve(request: web.Request) -> web.Response:
    """A file by its unguessable id. No Authorization: clients show these URLs and the bot GETs them."""
    file = request.app[CHANNEL].store.attachment(request.match_info["attachment"])
    if file is None:
        raise ChannelError(404, "AttachmentNotFound", "There is no such attachment in this channel's state.")
    headers = {
        "Content-Type": file.type,
        "X-Content-Type-Options": "nosniff",
        # A file is never a page of this origin, where the Web Chat page gets its tokens.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        # Whoever asks: a browser that got it for an <img> reads its cache for a script of another origin as well.
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "private, max-age=3600",
    }
    return web.Response(body=file.data, headers=headers)


def routes() -> list[web.RouteDef]:
    return [
        web.post(BASE + "/conversations/{conversation}/upload", faulty("upload", upload)),
        web.get("/attachments/{attachment}", serve),
        web.get("/attachments/{attachment}/{name}", serve),
    ]
