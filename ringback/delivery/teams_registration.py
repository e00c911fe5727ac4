"""Somebody on Teams as another system registers them: known by a directory object, written to before they wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from ringback.channels.teams import REGIONS, TeamsUser
from ringback.delivery.reference import check_service_url, local_mode
from ringback.errors import RequestError, UnsafeReferenceError
from ringback.settings import Settings
from ringback.tables.aliases import LONGEST_ID, Alias, parse_alias

AAD = "aad"
Field = str | msgspec.UnsetType | None


class TeamsWish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`userId` is what Teams calls this person towards the bot, `29:…`; `region` is one of REGIONS."""

    user_id: Field = msgspec.UNSET
    service_url: Field = msgspec.UNSET
    region: Field = msgspec.UNSET


Wished = TeamsWish | msgspec.UnsetType | None
Found = TeamsUser | msgspec.UnsetType | None


def check(wish: Wished, config: Settings) -> None:
    """Raise RequestError for what the bot could not send to, or Teams not understand."""
    if not isinstance(wish, TeamsWish):
        return
    if isinstance(wish.user_id, str) and not (
        0 < len(wish.user_id.strip()) <= LONGEST_ID and wish.user_id.isprintable()
    ):
        raise RequestError("An id of Teams is printable, such as 29:1aB….", field="teams.userId")
    if isinstance(wish.region, str) and wish.region not in REGIONS:
        raise RequestError(f"There is no region {wish.region[:40]!r}: use {', '.join(REGIONS)}.", field="teams.region")
    _check_url(wish.service_url, config, "teams.serviceUrl")
    _check_url(REGIONS.get(str(wish.region)), config, "teams.region")


def registered(
    wish: Wished, name: str | None, aliases: Iterable[Alias], known: TeamsUser | None, earlier: Collection[str]
) -> Found:
    """Who it is then; unset when nothing changes, None when they are to be written to on Teams no more.

    `aliases` are those of the request, `earlier` those that this person had, as text; `known` who it is so far.
    """
    if wish is None:
        return None if known else msgspec.UNSET
    named = next((alias for alias in aliases if alias.kind == AAD), None)
    if wish is msgspec.UNSET and named is None:
        return msgspec.UNSET
    base = _base(named, known, earlier)
    changes = {"name": name} if name else {}
    if isinstance(wish, TeamsWish):
        given = msgspec.structs.asdict(wish)
        changes |= {field: value for field, value in given.items() if value is not msgspec.UNSET}
    found = msgspec.structs.replace(base, **changes)
    return msgspec.UNSET if found == known and wish is msgspec.UNSET else found


def shown(person: TeamsUser) -> dict[str, str | None]:
    """As `GET /api/users/{id}` gives it."""
    return {
        "tenantId": person.tenant_id,
        "aadObjectId": person.aad_object_id,
        "userId": person.user_id,
        "serviceUrl": person.service_url,
        "region": person.region,
    }


def _check_url(url: Field, config: Settings, field: str) -> None:
    if isinstance(url, str):
        try:
            check_service_url(url, config.bot, local=local_mode(config))
        except UnsafeReferenceError as error:
            raise RequestError(str(error), field=field) from error


def _base(named: Alias | None, known: TeamsUser | None, earlier: Collection[str]) -> TeamsUser:
    if named is None:
        if known is not None:
            return known
        named = next((alias for text in earlier if (alias := parse_alias(text)) and alias.kind == AAD), None)
    if named is None:
        fix = "give aadObjectId and tenantId with it, or PUT it under aad:<tenant>:<object id>"
        raise RequestError(f"Nobody is found on Teams without their directory object: {fix}.", field="teams")
    tenant, _, found = named.text.removeprefix(f"{AAD}:").partition(":")
    if known is not None and (known.tenant_id, known.aad_object_id) == (tenant, found):
        return known
    return TeamsUser(tenant_id=tenant, aad_object_id=found)
