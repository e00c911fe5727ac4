"""What a person wishes: which channel first, when to be left in peace, in which language, and how much at most."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from ringback.delivery.consent import checked_category, checked_channel
from ringback.delivery.limits import Rate
from ringback.delivery.quiet_hours import Span, checked_spans, parse_span
from ringback.delivery.time_zones import checked_zone
from ringback.errors import RequestError

DEFAULT_ORDER = ("bot", "sms", "email")
# BCP 47, as far as anybody uses it: language, script, region, variants.
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}")
MAX_RATES = 50
LONGEST_PERIOD = timedelta(days=31).total_seconds()
# Buckets reckon in microseconds: an interval below one would be none.
MOST_PER_SECOND = 1_000


class Preferences(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`order` of channels, the best first; `quiet` by the clocks of `time_zone` (IANA); `rates` by category, * for all.

    An empty order is DEFAULT_ORDER, an empty locale whatever the channel says, no rate the system's own.
    """

    order: tuple[str, ...] = ()
    quiet: tuple[Span, ...] = ()
    time_zone: str = ""
    locale: str = ""
    rates: dict[str, Rate] = msgspec.field(default_factory=dict)


class RateWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """At most `messages` in a row, and as many again spread over `per_seconds`."""

    messages: int
    per_seconds: float


class Wish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A change of preferences: what is left out stays, null takes it away.

    `quietHours` lists spans such as "22:00-07:00"; they need a time zone, given here or before.
    """

    channels: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    quiet_hours: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    time_zone: str | msgspec.UnsetType | None = msgspec.UNSET
    locale: str | msgspec.UnsetType | None = msgspec.UNSET
    rates: dict[str, RateWish | None] | msgspec.UnsetType | None = msgspec.UNSET


def changed(preferences: Preferences, wish: Wish) -> Preferences:
    """The preferences after a change; RequestError names the field that cannot be."""
    values: dict[str, Any] = {}
    if wish.channels is not msgspec.UNSET:
        order = dict.fromkeys(checked_channel(name, "preferences.channels") for name in wish.channels or ())
        values["order"] = tuple(order)
    if wish.quiet_hours is not msgspec.UNSET:
        values["quiet"] = checked_spans([parse_span(text) for text in wish.quiet_hours or ()])
    if wish.time_zone is not msgspec.UNSET:
        values["time_zone"] = checked_zone(wish.time_zone) if wish.time_zone else ""
    if wish.locale is not msgspec.UNSET:
        values["locale"] = checked_locale(wish.locale) if wish.locale else ""
    if wish.rates is not msgspec.UNSET:
        values["rates"] = _rates(preferences.rates, wish.rates)
    found = msgspec.structs.replace(preferences, **values)
    if found.quiet and not found.time_zone:
        message = "Quiet hours need the person's time zone, such as Europe/Berlin."
        raise RequestError(message, field="preferences.timeZone")
    return found


def shown(preferences: Preferences) -> dict[str, Any]:
    """As `GET /api/users/{id}` gives them, and `PUT` takes them."""
    # What an interval was rounded to the microsecond by shows in no more than the third digit.
    rates = {
        name: {"messages": rate.capacity, "perSeconds": round(rate.capacity * rate.interval.total_seconds(), 2)}
        for name, rate in preferences.rates.items()
    }
    return {
        "channels": list(preferences.order),
        "quietHours": [str(span) for span in preferences.quiet],
        "timeZone": preferences.time_zone or None,
        "locale": preferences.locale or None,
        "rates": rates,
    }


def ordered(preferences: Preferences, kinds: list[str]) -> list[str]:
    """The kinds of channel as the person prefers them; those not named come after, in the default order."""
    order = [*preferences.order, *DEFAULT_ORDER]
    return sorted(kinds, key=lambda kind: order.index(kind) if kind in order else len(order))


def checked_locale(text: str, field: str = "preferences.locale") -> str:
    """The language tag with dashes, or RequestError."""
    found = text.replace("_", "-")
    if not LOCALE.fullmatch(found):
        raise RequestError(f"{text[:40]!r} is no locale: write it as de-DE.", field=field)
    return found


def _rates(known: Mapping[str, Rate], wishes: Mapping[str, RateWish | None] | None) -> dict[str, Rate]:
    if wishes is None:
        return {}
    rates = dict(known)
    for name, wish in wishes.items():
        field = f"preferences.rates.{name}"
        category = checked_category(name, field)
        rates.pop(category, None)
        if wish is not None:
            rates[category] = _rate(wish, field)
    if len(rates) > MAX_RATES:
        raise RequestError(f"There may be {MAX_RATES} rates; these are {len(rates)}.", field="preferences.rates")
    return rates


def _rate(wish: RateWish, field: str) -> Rate:
    if not 1 <= wish.messages <= 10_000 or not 0 < wish.per_seconds <= LONGEST_PERIOD:
        message = "A rate is 1 to 10000 messages in up to 31 days of seconds; say stop or opt out to send none."
        raise RequestError(message, field=field)
    if wish.messages > wish.per_seconds * MOST_PER_SECOND:
        raise RequestError(f"A rate is at most {MOST_PER_SECOND} messages a second.", field=field)
    return Rate(wish.messages, timedelta(seconds=wish.per_seconds / wish.messages))
