"""Whether a message fits any way by which its person can be reached: asked before it is taken in."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ringback.channels import registry, sms_text
from ringback.delivery.content import (
    BOT,
    SMS,
    TEAMS,
    TEMPLATE,
    Content,
    card_size,
    rendered,
    sms_excess,
)
from ringback.errors import TooLargeError
from ringback.settings import settings
from ringback.tables.addresses import AddressTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.templates.library import Templates
from ringback.templates.rendering import MAX_CARD_BYTES


async def check_fitting(
    content: Content, channels: Collection[str] | None, user: str, conversation: str | None, tables: Tables
) -> None:
    """Raise TooLargeError naming the field when every way there is refuses a message of this size.

    What fits one way is taken: the others refuse it when they are tried, and it goes by the next.
    """
    refusals = await _refusals(content, channels, tables)
    if not refusals:
        return
    ways = await _ways(channels, user, conversation, tables)
    if ways and ways <= refusals.keys():
        raise refusals[min(ways)]


async def _refusals(content: Content, channels: Collection[str] | None, tables: Tables) -> dict[str, TooLargeError]:
    """By channel, why it does not take the message. Most messages are small, and this is all that they cost."""
    found = {}
    size = len(msgspec.json.encode(content))
    if size > MAX_CARD_BYTES and (card := card_size(content)) > MAX_CARD_BYTES:
        message = f"The card has {card} bytes, and Teams, where this person is, takes {MAX_CARD_BYTES}: shorten it."
        found[TEAMS] = TooLargeError(message, field="card")
    if _kind_is_open(SMS, channels):
        if TEMPLATE in content:
            try:
                await rendered(content, SMS, None, Templates(tables))
            except TooLargeError as error:
                found[SMS] = TooLargeError(str(error), field="data")
        # No character of the JSON becomes more than its bytes.
        elif size > sms_text.LONGEST and not _is_cut() and (excess := sms_excess(content)):
            message = f"The text is {excess} characters over the {sms_text.LONGEST} of a text message: shorten it."
            found[SMS] = TooLargeError(message, field="card" if card_size(content) else "text")
    return found


async def _ways(channels: Collection[str] | None, user: str, conversation: str | None, tables: Tables) -> set[str]:
    """The bot's channels and the kinds of address by which somebody can be reached at all."""
    if conversation is not None:
        reference = await ReferenceTable(tables).get(user, conversation)
        return {reference.channel_id} if reference is not None else set()
    kinds = {address.kind for address in (await AddressTable(tables).of(user)).values()}
    # The address of the bot's own channels is a conversation on Teams that is still to be opened.
    ways: set[str] = {TEAMS if kind == BOT else kind for kind in kinds if _kind_is_open(kind, channels)}
    if _kind_is_open(BOT, channels):
        ways |= {reference.channel_id for reference in await ReferenceTable(tables).of(user)}
    return ways


def _is_cut() -> bool:
    """Whether a long text is shortened rather than refused; a template's wording never is."""
    return settings().messaging.sms_max_segments > 0


def _kind_is_open(kind: str, channels: Collection[str] | None) -> bool:
    return (channels is None or kind in channels) and not registry.problem(kind)
