"""From the words that a caller names a person by to the person's key."""

from __future__ import annotations

from collections.abc import Collection

from ringback import ids
from ringback.delivery.request import Place, To
from ringback.errors import NotFoundError, RequestError
from ringback.settings import ACS_CHAT_CHANNELS
from ringback.tables.aliases import resolve_directory, resolve_external, resolve_id
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables

# An identity of Azure Communication Services names no channel: its chats come over one of these.
ACS_IDENTITY = "8:acs:"


async def resolve(to: To, tables: Tables, acs_channels: Collection[str] = ACS_CHAT_CHANNELS) -> tuple[str, str | None]:
    """(user key, key of the group's conversation or None) of who is meant; RequestError names the field.

    `acs_channels` are the ids by which a chat of Azure Communication Services may call itself.
    """
    given = {
        "userId": to.user_id,
        "aadObjectId": to.aad_object_id,
        "externalId": to.external_id,
        "conversation": to.conversation,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise RequestError(f"Name the recipient by one of {', '.join(given)}.", field="to")
    if (to.tenant_id is None) != (to.aad_object_id is None):
        raise RequestError("aadObjectId and tenantId go together.", field="to.tenantId")
    if to.conversation is not None:
        return await _group(to.conversation, tables)
    user = await _person(to, tables, acs_channels)
    if user is None:
        raise _unknown(f"to.{named[0]}", str(given[named[0]]))
    return user, None


async def _person(to: To, tables: Tables, acs_channels: Collection[str]) -> str | None:
    if to.user_id is not None:
        acs = to.user_id.startswith(ACS_IDENTITY)
        return await (_acs(to.user_id, tables, acs_channels) if acs else resolve_id(tables, to.user_id, "to.userId"))
    if to.aad_object_id is not None and to.tenant_id is not None:
        return await resolve_directory(tables, to.tenant_id, to.aad_object_id)
    return await resolve_external(tables, to.external_id or "")


async def _acs(identity: str, tables: Tables, channels: Collection[str]) -> str:
    for channel in channels:
        user = await resolve_id(tables, f"{channel}:{identity}", "to.userId")
        if user is not None:
            return user
    text = f"{identity[:120]!r} has not written to the bot over a chat of Azure Communication Services."
    fix = "Connect that channel to the bot; who writes there can be written to."
    raise NotFoundError(f"{text} {fix}", field="to.userId")


async def _group(conversation: str | Place, tables: Tables) -> tuple[str, str]:
    """A group is a person whose user id is the conversation's."""
    if isinstance(conversation, Place):
        channel, identity = conversation.channel_id, conversation.id
    else:
        channel, colon, identity = conversation.partition(":")
        if not (colon and channel and identity):
            form = "<channelId>:<conversation.id>, such as msteams:19:…@thread.tacv2"
            raise RequestError(f"conversation is {form}.", field="to.conversation")
    user = await resolve_id(tables, f"{channel}:{identity}", "to.conversation")
    key = ids.conversation_key(channel, identity, identity)
    # The name may be a person's, whose talk with the bot has another key.
    if user is None or await ReferenceTable(tables).get(user, key) is None:
        fix = "name a group chat or a channel of a team that the bot was added to"
        raise NotFoundError(f"No group is known as {f'{channel}:{identity}'[:120]!r}: {fix}.", field="to.conversation")
    return user, key


def _unknown(field: str, value: str) -> NotFoundError:
    fix = "name somebody who has written to the bot, or register them with PUT /api/users"
    return NotFoundError(f"Nobody is known as {value[:120]!r}: {fix}.", field=field)
