"""IANA time zones as people spell them."""

from __future__ import annotations

import difflib
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ringback.errors import RequestError

# Files of a Unix system's folder that name no zone.
NOT_ZONES = {"localtime", "Factory"}
MOST_SUGGESTIONS = 3


def zone_of(name: str) -> ZoneInfo:
    """The zone of a stored name; UTC for one that the time zone data of this machine does not know (any more)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def checked_zone(text: str, field: str = "preferences.timeZone") -> str:
    """The IANA name of what was written: in any case, with blanks, or a city alone. RequestError names the nearest."""
    found = find_zone(text)
    if found is None:
        near = nearest(text)
        hint = f"Did you mean {_listed(near)}?" if near else "Write it as Europe/Berlin."
        raise RequestError(f"I don't know the time zone {text.strip()[:40]!r}. {hint}", field=field)
    return found


def find_zone(text: str) -> str | None:
    """The IANA name, or None when no zone, or more than one city, goes by this name."""
    wanted = _plain(text)
    names, cities = _index()
    if wanted in names:
        return names[wanted]
    found = cities.get(wanted, ())
    return found[0] if len(found) == 1 else None


def nearest(text: str) -> list[str]:
    """The names that look most like it, the nearest first."""
    wanted = _plain(text)
    names, cities = _index()
    found = list(cities.get(wanted, ()))
    for near in difflib.get_close_matches(wanted.rpartition("/")[2], cities, n=MOST_SUGGESTIONS, cutoff=0.7):
        found += cities[near]
    found += [names[near] for near in difflib.get_close_matches(wanted, names, n=MOST_SUGGESTIONS, cutoff=0.7)]
    return list(dict.fromkeys(found))[:MOST_SUGGESTIONS]


@lru_cache(maxsize=1)
def _index() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Names by their lower case, and the names of each city; reads the system's time zone folder once."""
    names = {_plain(name): name for name in sorted(available_timezones() - NOT_ZONES)}
    cities: dict[str, tuple[str, ...]] = {}
    for plain, name in names.items():
        area, _, city = plain.rpartition("/")
        if area and area != "etc":
            cities[city] = (*cities.get(city, ()), name)
    return names, cities


def _plain(text: str) -> str:
    return "_".join(text.strip().casefold().split())


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
