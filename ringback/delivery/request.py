"""What a caller may ask for: the body of POST and PATCH /api/notifications, checked before anything is written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from ringback.channels import registry
from ringback.delivery.content import Content, check_size, from_card, from_template, from_text
from ringback.delivery.preferences import checked_locale
from ringback.errors import RequestError
from ringback.ids import digest

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,89}")
CATEGORY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
LONGEST_KEY = 255
LONGEST_LINK = 2_048
FARTHEST = timedelta(days=366)
# Tables keep no time before 1601, and no system means one that it sends.
EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)

Time = Annotated[datetime, msgspec.Meta(tz=True)]
Words = Annotated[str, msgspec.Meta(min_length=1)]


class Place(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A group or a channel of a team, by the ids that the channel gave it."""

    channel_id: Words
    id: Words


class To(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Exactly one of: userId, aadObjectId with tenantId, externalId, conversation."""

    user_id: Words | None = None
    aad_object_id: Words | None = None
    tenant_id: Words | None = None
    external_id: Words | None = None
    conversation: Words | Place | None = None


class Saying(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of PATCH: what a message says. text, or card (text is then its summary), or template with data."""

    text: Words | None = None
    card: dict[str, Any] | None = None
    template: Words | None = None
    data: dict[str, Any] | None = None
    locale: Words | None = None
    link: Words | None = None


class NotificationRequest(Saying, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of POST."""

    to: To
    category: str
    id: str | None = None
    priority: Literal["normal", "high", "critical"] = "normal"
    channels: tuple[str, ...] | None = None
    not_before: Time | None = None
    expires_at: Time | None = None
    on_ambiguous: Literal["resend", "hold"] = "resend"


def id_of(request: NotificationRequest, key: str | None) -> str | None:
    """The id that a caller chose, by the body or by an Idempotency-Key; None when we are to choose."""
    if request.id is not None:
        if not ID.fullmatch(request.id):
            fix = "up to 90 letters, digits and . _ ~ : -, the first a letter or a digit"
            raise RequestError(f"The id {request.id[:100]!r} cannot be used: give {fix}.", field="id")
        return request.id
    if not key:
        return None
    if len(key) > LONGEST_KEY:
        raise RequestError(f"The Idempotency-Key is over {LONGEST_KEY} characters.", field="Idempotency-Key")
    return f"key-{digest('idempotency', key)}"


def body_digest(request: NotificationRequest) -> str:
    """The same for requests that ask for the same, however they are spelt."""
    bare = msgspec.structs.replace(request, id=None, not_before=None, expires_at=None)
    # One moment has as many spellings as there are time zones.
    moments = [str(time and time.timestamp()) for time in (request.not_before, request.expires_at)]
    return digest("notification", msgspec.json.encode(bare, order="deterministic").decode(), *moments)


def check(request: NotificationRequest, now: datetime) -> None:
    """Raise RequestError for what cannot be delivered as it stands."""
    if not CATEGORY.fullmatch(request.category):
        fix = "give a slug of lower-case letters, digits and hyphens, such as orders"
        raise RequestError(f"The category {request.category[:80]!r} cannot be used: {fix}.", field="category")
    _check_times(request, now)
    if request.channels is not None:
        _check_channels(request.channels)


def content_of(saying: Saying) -> tuple[Content, str]:
    """The content, its size checked, and the field that made it."""
    if saying.link is not None:
        _check_link(saying.link)
    if saying.text is not None and not any(map(_is_seen, saying.text)):
        raise RequestError("text has nothing to be seen: say something, or leave it out beside a card.", field="text")
    locale = None if saying.locale is None else checked_locale(saying.locale, "locale")
    if saying.template is not None:
        if saying.text is not None or saying.card is not None:
            raise RequestError("Give a template, or text and card, not both.", field="template")
        content, field = from_template(saying.template, saying.data, locale, saying.link), "data"
    elif saying.data is not None:
        raise RequestError("data belongs to a template: name it.", field="template")
    elif saying.card is not None:
        content, field = from_card(saying.card, saying.text, saying.link), "card"
    elif saying.text is not None:
        content, field = from_text(saying.text, saying.link), "text"
    else:
        raise RequestError("Say something: text, card, or template with data.", field="text")
    check_size(content, field)
    return content, field


def _check_times(request: NotificationRequest, now: datetime) -> None:
    begin, end = request.not_before, request.expires_at
    for name, time in (("notBefore", begin), ("expiresAt", end)):
        if time is not None and time < EARLIEST:
            raise RequestError(f"{name} lies before {EARLIEST.year}.", field=name)
    if end is not None and end <= now:
        raise RequestError(f"expiresAt {end.isoformat()} has passed.", field="expiresAt")
    if begin is not None and end is not None and begin >= end:
        raise RequestError("notBefore is not before expiresAt.", field="notBefore")
    for name, time in (("notBefore", begin), ("expiresAt", end)):
        if time is not None and time - now > FARTHEST:
            raise RequestError(f"{name} is more than a year away.", field=name)


def _check_channels(channels: tuple[str, ...]) -> None:
    if not channels:
        raise RequestError("channels is empty: leave it out to use every channel.", field="channels")
    for kind in channels:
        if kind not in registry.CHANNELS:
            known = ", ".join(registry.CHANNELS)
            raise RequestError(f"There is no channel {kind[:40]!r}: there are {known}.", field="channels")
    problems = [registry.problem(kind) for kind in channels]
    if all(problems):
        raise RequestError(f"None of these channels is configured: {' '.join(problems)}", field="channels")


def _check_link(link: str) -> None:
    try:
        parts = urlsplit(link)
        whole = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or len(link) > LONGEST_LINK or not all(map(_is_seen, link)):
        text = "link must be a whole address of http or https, such as https://example.org/orders/7"
        raise RequestError(f"{text}, of at most {LONGEST_LINK} characters.", field="link")


def _is_seen(character: str) -> bool:
    return character.isprintable() and not character.isspace()


def utc_now() -> datetime:
    return datetime.now(timezone.utc)
