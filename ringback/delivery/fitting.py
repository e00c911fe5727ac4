"""Whether a message fits any way by which its person can be reached: asked before it is taken in."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ringback.channels import message_size, registry, sms_text
from ringback.channels.connector import addressed
from ringback.channels.teams import TEAMS
from ringback.delivery.content import BOT, SMS, TEMPLATE, Content, rendered, sms_excess
from ringback.delivery.reference import Reference
from ringback.errors import TooLargeError
from ringback.settings import settings
from ringback.tables.addresses import AddressTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.templates.library import Templates

# More than a conversation's address adds to a message: what is smaller by this fits all of them, and none is read.
ADDRESS = 8 * 1024
# A conversation, or the kind of an address; TEAMS is a conversation there that is still to be opened.
Way = Reference | str


async def check_fitting(
    content: Content,
    activity: Content,
    *,
    channels: Collection[str] | None,
    user: str,
    conversation: str | None,
    tables: Tables,
) -> None:
    """Raise TooLargeError naming the field when every way there is refuses a message of this size.

    `activity` is the content as it goes by the bot, with the marks of its buttons. What fits one way is taken: the
    others refuse it when they are tried, and it goes by the next.
    """
    sms = await _sms_problem(content, tables) if _kind_is_open(SMS, channels) else ""
    if not sms and message_size.of(activity) <= message_size.LARGEST - ADDRESS:
        return
    problems = [
        sms if way == SMS else _teams_problem(way, activity)
        for way in await _ways(channels, user, conversation, tables)
    ]
    if problems and all(problems):
        raise TooLargeError(problems[0], field=_field(content))


def _teams_problem(way: Way, activity: Content) -> str:
    """Why Teams would not take the message, counted to the byte as it is sent; empty for every other way."""
    if isinstance(way, Reference):
        size = message_size.of(addressed(way, activity)) if way.channel_id == TEAMS else 0
    else:
        size = message_size.of(activity) if way == TEAMS else 0
    return message_size.problem(size)


async def _sms_problem(content: Content, tables: Tables) -> str:
    """Why the message does not go as an SMS; empty when it does."""
    if TEMPLATE in content:
        try:
            await rendered(content, SMS, None, Templates(tables))
        except TooLargeError as error:
            return str(error)
        return ""
    # No character of the JSON becomes more than its bytes.
    if _is_cut() or len(msgspec.json.encode(content)) <= sms_text.LONGEST:
        return ""
    if not (excess := sms_excess(content)):
        return ""
    return f"The text is {excess} characters over the {sms_text.LONGEST} of a text message: shorten it."


async def _ways(channels: Collection[str] | None, user: str, conversation: str | None, tables: Tables) -> list[Way]:
    """The conversations and the kinds of address by which somebody can be reached at all."""
    if conversation is not None:
        reference = await ReferenceTable(tables).get(user, conversation)
        return [reference] if reference is not None else []
    ways: list[Way] = []
    if _kind_is_open(BOT, channels):
        ways += await ReferenceTable(tables).of(user)
    kinds = {address.kind for address in (await AddressTable(tables).of(user)).values()}
    # The address of the bot's own channels is a conversation on Teams that is still to be opened.
    ways += [TEAMS if kind == BOT else kind for kind in sorted(kinds) if _kind_is_open(kind, channels)]
    return ways


def _field(content: Content) -> str:
    if TEMPLATE in content:
        return "data"
    return "card" if content.get("attachments") else "text"


def _is_cut() -> bool:
    """Whether a long text is shortened rather than refused; a template's wording never is."""
    return settings().messaging.sms_max_segments > 0


def _kind_is_open(kind: str, channels: Collection[str] | None) -> bool:
    return (channels is None or kind in channels) and not registry.problem(kind)
