"""People: who there are, how they are reached, what they want; for other systems with the function key."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from msgspec import UNSET

from bot_http.bodies import decode
from bot_http.people import DurableUserEntities
from bot_http.problem import answer, answers_problems
from ringback import ids
from ringback.channels.teams import TeamsUser
from ringback.delivery import teams_registration
from ringback.delivery.consent import BOT
from ringback.delivery.erasure import erase_user
from ringback.delivery.person import UserState, Word, load
from ringback.delivery.registration import (
    UserWish,
    address_changes,
    addresses_of,
    aliases_of,
    changes_of,
    try_out,
    view,
)
from ringback.delivery.teams_registration import Found
from ringback.delivery.tidying import tidy_addresses
from ringback.delivery.waiting import suppress_waiting, tell_and_wake
from ringback.errors import ConflictError, NotFoundError, RequestError
from ringback.operations.engine import DurableClientEngine
from ringback.settings import settings
from ringback.tables.addresses import AddressTable, Stored
from ringback.tables.aliases import Alias, AliasTable, parse_alias, resolve_id
from ringback.tables.errands import TIDY, ErrandTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import tables
from ringback.tables.users import MAX_PAGE, UserRow, UserTable

bp = df.Blueprint()
DEFAULT_PAGE = 100
FORM = (
    '{"email"?, "phone"?, "addresses"?, "externalIds"?, "aadObjectId" + "tenantId"?, "teams"?, "consents"?, '
    '"categories"?, "preferences"?}'
)


@bp.route(route="users", methods=["GET"])
@answers_problems
async def list_users(req: func.HttpRequest) -> func.HttpResponse:
    """A page of people, `top` of them, and the `continuation` of the next one, null after the last."""
    text = req.params.get("top") or str(DEFAULT_PAGE)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PAGE):
        raise RequestError(f"top is a number from 1 to {MAX_PAGE}.", field="top")
    rows, continuation = await UserTable(tables()).page(int(text), req.params.get("continuation"))
    return answer({"users": [_entry(row) for row in rows], "continuation": continuation})


@bp.route(route="users/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def get_user(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """One person, by user key or alias; addresses masked."""
    user = await _known(await _id(req))
    state = await DurableUserEntities(client).read(user) or load(None)
    return answer(await _view(user, state))


@bp.route(route="users/{id}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def put_user(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """Register addresses, ids, consents and preferences: 200, or 201 for somebody new by an external or aad id."""
    wish, identity, now = decode(req.get_body(), UserWish, FORM), await _id(req), datetime.now(timezone.utc)
    entities = DurableUserEntities(client)
    aliases, changes = aliases_of(wish), changes_of(wish, now)
    addresses: dict[str, Stored | None] = {**addresses_of(wish)}
    teams_registration.check(wish.teams, settings())
    user, is_new = await _whose(identity, aliases)
    state = load(None) if is_new else await entities.read(user) or load(None)
    on_teams = await _on_teams(user, wish, aliases, state.addresses.get(BOT))
    if on_teams is not UNSET:
        addresses[BOT] = on_teams
    changes = [*address_changes(addresses), *changes]
    try_out(state, changes)
    await _enter(user, aliases, now)
    errand = await ErrandTable(tables()).add(TIDY, user, now) if addresses else None
    await _store(user, [address for address in addresses.values() if address])
    await _refuse_erased_meanwhile(user)
    await tell_and_wake(tables(), DurableClientEngine(client), entities, user, changes)
    if errand is not None:
        await tidy_addresses(tables(), errand, state.addresses.values())
    for operation, word in changes:
        if operation == "opt_out" and isinstance(word, Word):
            await suppress_waiting(tables(), DurableClientEngine(client), user, word.category)
    return answer(await _view(user, state), 201 if is_new else 200)


@bp.route(route="users/{id}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@answers_problems
async def delete_user(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """Erase a person; only the mark stays that nothing may be sent to them until they write again."""
    identity = await _id(req)
    user = await resolve_id(tables(), identity)
    if user is None:
        raise _nobody(identity)
    now, engine = datetime.now(timezone.utc), DurableClientEngine(client)
    await erase_user(tables(), engine, DurableUserEntities(client), user, now)
    return func.HttpResponse(status_code=204)


async def _whose(identity: str, aliases: dict[str, Alias]) -> tuple[str, bool]:
    """The user key that a PUT is about, and whether that is somebody new; raises before anything is written."""
    own, table = parse_alias(identity), AliasTable(tables())
    user = await resolve_id(tables(), identity)
    found = {field: holder for field, alias in aliases.items() if (holder := await table.find(alias)) is not None}
    for field, holder in found.items():
        if user is not None and holder != user:
            message = f"This id belongs to another person, {holder}: nobody is merged. Take it from them first."
            raise ConflictError(message, field=field)
    if len(set(found.values())) > 1:
        raise ConflictError("These ids belong to different people: nobody is merged.", field=next(iter(found)))
    if user is None and (own is None or own.kind == "channel"):
        raise _nobody(identity)
    if own is not None and own.kind != "channel":
        aliases["id"] = own
    if user is None:
        user = next(iter(found.values()), None)
    is_new = user is None
    user = user or ids.digest(*_parts(own))
    row = await UserTable(tables()).get(user)
    if row is not None and row.erased:
        raise _erased()
    return user, is_new


async def _on_teams(user: str, wish: UserWish, aliases: dict[str, Alias], key: str | None) -> Found:
    """Who this person is on Teams after the request, where they may not have written yet."""
    stored = await AddressTable(tables()).get(user, key) if key else None
    known = stored if isinstance(stored, TeamsUser) else None
    earlier = await AliasTable(tables()).of(user) if wish.teams else []
    return teams_registration.registered(wish.teams, wish.name, aliases.values(), known, earlier)


def _parts(own: Alias | None) -> tuple[str, ...]:
    """What makes the key of somebody new: the same for who writes later with this directory object."""
    assert own is not None
    return ("aad", *own.text.split(":")[1:]) if own.kind == "aad" else ("external", own.text)


async def _enter(user: str, aliases: dict[str, Alias], now: datetime) -> None:
    table = AliasTable(tables())
    for field, alias in aliases.items():
        if await table.claim(alias, user) != user:
            raise ConflictError("This id was given to another person a moment ago.", field=field)
    await UserTable(tables()).add(user, now)


async def _store(user: str, addresses: list[Stored]) -> None:
    for address in addresses:
        await AddressTable(tables()).put(user, address)


async def _refuse_erased_meanwhile(user: str) -> None:
    """An erasure marks first and clears then: what was written beside it is seen by one of the two."""
    row = await UserTable(tables()).get(user)
    if row is not None and row.erased:
        await AddressTable(tables()).erase(user)
        await AliasTable(tables()).erase(user)
        raise _erased()


async def _known(identity: str) -> str:
    user = await resolve_id(tables(), identity)
    row = await UserTable(tables()).get(user) if user is not None else None
    if user is None or (row is not None and row.erased):
        raise _nobody(identity)
    return user


async def _view(user: str, state: UserState) -> dict[str, Any]:
    row = await UserTable(tables()).get(user)
    if row is None:
        # Heard before there was a list of people.
        last = await ReferenceTable(tables()).latest(user)
        row = UserRow(id=user, seen_at=last.seen_at if last else None)
    return view(row, state, await AliasTable(tables()).of(user), await AddressTable(tables()).of(user))


def _entry(row: UserRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "createdAt": row.created_at,
        "seenAt": row.seen_at,
        "channelId": row.channel_id,
        "tenantId": row.tenant_id,
        "locale": row.locale,
    }


async def _id(req: func.HttpRequest) -> str:
    """The host decodes the path, but for slashes: `%2F` may be one, or what somebody's id has in it."""
    text = req.route_params["id"]
    decoded = text.replace("%2F", "/").replace("%2f", "/")
    return text if decoded != text and await resolve_id(tables(), text) is not None else decoded


def _erased() -> ConflictError:
    return ConflictError("This person was erased; they come back by writing to the bot.", field="id")


def _nobody(identity: str) -> NotFoundError:
    fix = "PUT makes somebody new under external:<id> or aad:<tenant>:<id>; on a channel, people make themselves known"
    return NotFoundError(f"Nobody is known as {identity[:120]!r}: {fix}.", field="id")
