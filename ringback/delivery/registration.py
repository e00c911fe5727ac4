"""Other systems about a person: how they are reached, what they consented to, and what they prefer.

A request is turned into the entity's own operations and tried on a copy of the state first: nothing is written of a
request that cannot be done whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from ringback.channels import registry
from ringback.channels.address import Address, email, phone
from ringback.channels.teams import TeamsUser
from ringback.delivery.consent import BOT, EVERY, checked_category, checked_channel, checked_source
from ringback.delivery.person import DOUBTED, Given, Registration, UserState, Word, perform
from ringback.delivery.preferences import Wish, shown
from ringback.delivery.request import EARLIEST
from ringback.delivery.teams_registration import Wished
from ringback.delivery.teams_registration import shown as shown_on_teams
from ringback.errors import RequestError
from ringback.tables.addresses import Stored, address_key
from ringback.tables.aliases import LONGEST_ID, Alias, directory_alias, external_alias
from ringback.tables.users import UserRow

MAX_EXTERNAL_IDS = 20
# What is said of one category counts after what is said of all in the same request.
AFTER = timedelta(microseconds=1)
LONGEST_NAME = 200
Change = tuple[str, msgspec.Struct]


class ConsentWish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Consent that another system has, or that was taken back there; `at` is when, now if left out."""

    channel: str
    category: str = EVERY
    granted: bool = True
    at: datetime | None = None
    source: str = "api"


class UserWish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of PUT /api/users/{id}: what is left out stays, null takes an address away.

    `addresses` maps a kind of channel to an address; `email` and `phone` are two of them by name. `categories` maps a
    category to true (opted in) or false (opted out), and * all but those that are named besides.
    """

    name: str | None = None
    email: str | msgspec.UnsetType | None = msgspec.UNSET
    phone: str | msgspec.UnsetType | None = msgspec.UNSET
    addresses: dict[str, str | None] = {}
    aad_object_id: str | None = None
    tenant_id: str | None = None
    teams: Wished = msgspec.UNSET
    external_ids: list[str] = []
    consents: list[ConsentWish] = []
    categories: dict[str, bool] = {}
    preferences: Wish | None = None


def addresses_of(wish: UserWish) -> dict[str, Address | None]:
    """The addresses by their kind, checked; RequestError names the field."""
    found: dict[str, Address | None] = {}
    if wish.name and (len(wish.name) > LONGEST_NAME or not wish.name.isprintable()):
        raise RequestError(f"A name has up to {LONGEST_NAME} printable characters.", field="name")
    for kind, text in wish.addresses.items():
        # Who somebody is on Teams is registered as `teams`, and taken away so.
        found[kind] = registry.address(kind, text or "", wish.name) if text or kind == BOT else None
    if wish.email is not msgspec.UNSET:
        found["email"] = email(wish.email, wish.name) if wish.email else None
    if wish.phone is not msgspec.UNSET:
        found["sms"] = phone(wish.phone, wish.name) if wish.phone else None
    return found


def aliases_of(wish: UserWish) -> dict[str, Alias]:
    """The names that are to lead to this person, by the field that gives them; RequestError names it."""
    if (wish.aad_object_id is None) != (wish.tenant_id is None):
        missing = "tenantId" if wish.tenant_id is None else "aadObjectId"
        raise RequestError("aadObjectId and tenantId go together.", field=missing)
    if len(wish.external_ids) > MAX_EXTERNAL_IDS:
        raise RequestError(f"There may be {MAX_EXTERNAL_IDS} external ids of one person.", field="externalIds")
    found: dict[str, Alias] = {}
    if wish.aad_object_id is not None and wish.tenant_id is not None:
        _check_id(wish.aad_object_id, "aadObjectId")
        _check_id(wish.tenant_id, "tenantId")
        found["aadObjectId"] = directory_alias(wish.tenant_id, wish.aad_object_id)
    for number, identity in enumerate(wish.external_ids):
        field = f"externalIds[{number}]"
        _check_id(identity, field)
        found[field] = external_alias(identity)
    return found


def changes_of(wish: UserWish, now: datetime) -> list[Change]:
    """The entity's operations that do it but for addresses, in order; RequestError names the field."""
    changes: list[Change] = []
    for number, given in enumerate(wish.consents):
        field = f"consents[{number}]"
        if given.at is not None and (given.at.tzinfo is None or not EARLIEST <= given.at <= now):
            message = f"Give a time that has passed, since {EARLIEST.year}, with its time zone."
            raise RequestError(message, field=f"{field}.at")
        if checked_source(given.source, f"{field}.source") not in {"api", "import"}:
            raise RequestError("Other systems' consent has the source api or import.", field=f"{field}.source")
        word = Given(
            channel=_kind(given.channel, f"{field}.channel"),
            category=checked_category(given.category, f"{field}.category"),
            granted=given.granted,
            at=given.at or now,
            source=given.source,
        )
        changes.append(("consent", word))
    for name, wanted in wish.categories.items():
        category = checked_category(name, f"categories.{name}")
        at = now if category == EVERY else now + AFTER
        changes.append(("opt_in" if wanted else "opt_out", Word(category=category, at=at, source="api")))
    if wish.preferences is not None:
        for kind in wish.preferences.channels or ():
            _kind(kind, "preferences.channels")
        changes.append(("prefer", wish.preferences))
    return changes


def address_changes(addresses: dict[str, Stored | None]) -> list[Change]:
    """The entity's operation that registers these addresses, or none for none."""
    keys = {kind: address_key(address) if address else None for kind, address in addresses.items()}
    return [("register", Registration(addresses=keys))] if keys else []


def try_out(state: UserState, changes: list[Change]) -> None:
    """Do it all on this state; RequestError names the field that cannot be."""
    for operation, word in changes:
        _try_out(state, operation, word)


def view(row: UserRow, state: UserState, aliases: list[str], addresses: dict[str, Stored]) -> dict[str, Any]:
    """What `GET /api/users/{id}` answers; addresses masked."""
    by_kind = {kind: addresses[key] for kind, key in state.addresses.items() if key in addresses}
    masked = {kind: address.masked for kind, address in by_kind.items() if isinstance(address, Address)}
    teams = by_kind.get(BOT)
    return {
        "id": row.id,
        "createdAt": row.created_at,
        "seenAt": row.seen_at,
        "aliases": aliases,
        "email": masked.get("email"),
        "phone": masked.get("sms"),
        "addresses": masked,
        "teams": shown_on_teams(teams) if isinstance(teams, TeamsUser) else None,
        "conversations": [_conversation(state, key) for key in state.references],
        "reach": {kind: _reach(state, key) for kind, key in state.addresses.items()},
        "consents": [
            {"channel": key.partition("/")[0], "category": key.partition("/")[2], **msgspec.to_builtins(consent)}
            for key, consent in state.consents.items()
        ],
        "categories": {
            name: {"optedOut": choice.out, "at": choice.at, "source": choice.source}
            for name, choice in state.choices.items()
        },
        "preferences": shown(state.preferences),
    }


def _kind(text: str, field: str) -> str:
    found = checked_channel(text, field)
    if found not in registry.CHANNELS:
        raise RequestError(f"There is no channel {found!r}: there are {', '.join(registry.CHANNELS)}.", field=field)
    return found


def _try_out(state: UserState, operation: str, word: msgspec.Struct) -> None:
    try:
        perform(state, operation, msgspec.to_builtins(word))
    except RequestError as error:
        # In chat there is one category; here the body maps several.
        field = f"categories.{word.category}" if isinstance(word, Word) else error.field
        raise RequestError(str(error), field=field) from None


def _conversation(state: UserState, key: str) -> dict[str, Any]:
    reference = state.references[key]
    return {
        "id": key,
        "channelId": reference.channel_id,
        "isGroup": reference.is_group,
        "locale": reference.locale,
        "seenAt": reference.seen_at,
        "reach": _reach(state, key),
    }


def _reach(state: UserState, key: str) -> str:
    """open, or why it is not."""
    found = state.reach.get(key)
    return "open" if found is None or found.state == DOUBTED else found.state


def _check_id(text: str, field: str) -> None:
    if not text.strip() or len(text) > LONGEST_ID // 2 or not text.isprintable():
        raise RequestError(f"An id has 1 to {LONGEST_ID // 2} printable characters.", field=field)
