"""Who is heard, and where: what the bot's door writes down before the dialogue answers.

Rows first, then the entity: the reference, the aliases and the entry in the list, then the signal.
"""

from __future__ import annotations

import asyncio

import msgspec

from ringback.bot.inbound import Inbound
from ringback.channels.teams import TEAMS
from ringback.delivery.people import UserEntities, tell
from ringback.delivery.person import Heard, Installed, Said
from ringback.delivery.reference import Reference
from ringback.ids import conversation_key
from ringback.tables.aliases import AliasTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.tables.tenants import TenantTable
from ringback.tables.users import UserRow, UserTable

# What a person does of their own will; being added to a conversation or a client that joins is none of it.
WRITING = {"message", "invoke", "messageReaction"}
INSTALLATION = "installationUpdate"
GONE = "gone"
# What Teams puts between a channel's id and the post that a message stands below.
POST = ";messageid="


async def arrive(inbound: Inbound, tables: Tables, entities: UserEntities) -> Inbound:
    """Note where this person and this group can be reached (or not any more); the activity, with its owner named."""
    reference = inbound.reference
    if inbound.is_from_bot or reference.user_id == reference.conversation_id:
        return inbound
    if bot_left(inbound):
        reference = await _named(reference, tables)
        for where in (reference, *await _groups(reference, tables)):
            await tell(entities, where.user_key, "installed", _installed(where, installed=False))
        return msgspec.structs.replace(inbound, reference=reference)
    reference = await _hear(reference, inbound, tables, entities)
    await TenantTable(tables).heard(reference)
    for group in await _groups(reference, tables):
        await _hear(group, inbound, tables, entities, wrote=bot_came(inbound))
    await _part(inbound, tables, entities)
    return msgspec.structs.replace(inbound, reference=reference)


def bot_came(inbound: Inbound) -> bool:
    """Whether the app was installed, or the bot added to the conversation."""
    if inbound.type == INSTALLATION:
        return (inbound.action or "").startswith("add")
    return inbound.type == "conversationUpdate" and inbound.bot_was_added


def bot_left(inbound: Inbound) -> bool:
    """Whether the app was taken away, or the bot removed from the conversation."""
    if inbound.type == INSTALLATION:
        return (inbound.action or "").startswith("remove")
    return inbound.type == "conversationUpdate" and inbound.reference.bot_id in inbound.members_removed


async def _hear(
    reference: Reference, inbound: Inbound, tables: Tables, entities: UserEntities, *, wrote: bool = False
) -> Reference:
    """Write it down; `wrote` for what is as good as writing: a group that lets the bot in wants to hear of it."""
    aliases, references = AliasTable(tables), ReferenceTable(tables)
    owner = aliases.recall(reference)
    if owner is not None:
        reference = _owned(reference, owner)
        await references.put(reference)
    else:
        reference = _owned(reference, await aliases.owner(reference))
        await asyncio.gather(references.put(reference), UserTable(tables).seen(_listed(reference)))
    heard = Heard(reference=reference, wrote=wrote or inbound.type in WRITING)
    await tell(entities, reference.user_key, "remember", heard)
    if bot_came(inbound):
        await tell(entities, reference.user_key, "installed", _installed(reference, installed=True))
    return reference


def _installed(where: Reference, *, installed: bool) -> Installed:
    personal = where.channel_id == TEAMS and not where.is_group
    return Installed(reference=where.key, installed=installed, at=where.seen_at, personal=personal)


async def _part(inbound: Inbound, tables: Tables, entities: UserEntities) -> None:
    """Whoever left a group is not written to there any more."""
    reference = inbound.reference
    for member in inbound.members_removed:
        left = msgspec.structs.replace(reference, user_id=member, user_name=None, user_aad_id=None)
        owner = (await _named(left, tables)).user_key
        key = conversation_key(reference.channel_id, reference.conversation_id, member)
        await tell(entities, owner, "channel_said", Said(reference=key, reaction=GONE, at=reference.seen_at))


async def _named(reference: Reference, tables: Tables) -> Reference:
    return _owned(reference, await AliasTable(tables).holder(reference) or reference.user_key)


async def _groups(reference: Reference, tables: Tables) -> list[Reference]:
    """The group that this is heard in; below a post in a channel of a team, the whole channel too."""
    ids = dict.fromkeys((reference.conversation_id, reference.conversation_id.partition(POST)[0]))
    places = [msgspec.structs.replace(reference, conversation_id=identity) for identity in ids]
    return [group for place in places for group in await _group(place, tables)]


async def _group(reference: Reference, tables: Tables) -> list[Reference]:
    """The group itself as somebody who can be written to: a person whose user id is the conversation's."""
    if not reference.is_group:
        return []
    whole = msgspec.structs.replace(
        reference, user_id=reference.conversation_id, user_name=None, user_aad_id=None, locale=None, owner=None
    )
    return [await _named(whole, tables)]


async def group_owner(reference: Reference, tables: Tables) -> list[str]:
    """The user key of the group in which somebody is, of the whole channel of a team too; none for a person alone."""
    return [group.user_key for group in await _groups(reference, tables)]


def _owned(reference: Reference, owner: str) -> Reference:
    bare = msgspec.structs.replace(reference, owner=None)
    return bare if bare.user_key == owner else msgspec.structs.replace(bare, owner=owner)


def _listed(reference: Reference) -> UserRow:
    return UserRow(
        id=reference.user_key,
        seen_at=reference.seen_at,
        channel_id=reference.channel_id,
        tenant_id=reference.tenant_id,
        locale=reference.locale,
    )
