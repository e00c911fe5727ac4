"""Numbers, money and times as people of a locale write them; English and German, ISO 8601 for everybody else."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ringback.templates.data_schema import read_time

MAX_DIGITS = 10
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF", "JPY": "¥"}
WHOLE_CURRENCIES = ("JPY", "KRW", "VND", "CLP", "ISK")


class Style(msgspec.Struct, frozen=True):
    """Separators, and strftime patterns, of one language."""

    decimal: str
    group: str
    date: str
    time: str
    symbol_first: bool


STYLES = {
    "en": Style(".", ",", "%-d %b %Y", "%H:%M", symbol_first=True),
    "de": Style(",", ".", "%d.%m.%Y", "%H:%M", symbol_first=False),
}
OTHER = Style(".", "\u00a0", "%Y-%m-%d", "%H:%M", symbol_first=False)
MONTHS_DE = ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def style_of(locale: str) -> Style:
    """The style of a locale's language."""
    return STYLES.get(locale.lower().split("-")[0], OTHER)


def number(value: Any, locale: str, digits: int | None = None) -> str:
    """1,234.5 or 1.234,5; with `digits` decimals, else as many as the number has."""
    exact = _decimal(value)
    if digits is not None:
        step = Decimal(1).scaleb(-min(max(int(digits), 0), MAX_DIGITS))
        exact = exact.quantize(step, rounding=ROUND_HALF_UP)
    style = style_of(locale)
    written = f"{exact:,f}"
    return written.translate({ord(","): style.group, ord("."): style.decimal})


def money(value: Any, currency: str, locale: str) -> str:
    """€1,234.50 or 1.234,50 €; `currency` is an ISO 4217 code."""
    code = str(currency).upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ValueError(f"{currency!r} is no currency code such as EUR")
    amount = number(value, locale, 0 if code in WHOLE_CURRENCIES else 2)
    symbol, style = SYMBOLS.get(code, code), style_of(locale)
    if not style.symbol_first:
        return f"{amount}\u00a0{symbol}"
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    return f"{sign}{symbol}{digits}" if len(symbol) == 1 else f"{sign}{symbol}\u00a0{digits}"


def date(value: Any, locale: str, zone: str = "UTC") -> str:
    """1 Mar 2026 or 01.03.2026, of an ISO 8601 date or time."""
    return _written(_time(value, zone), style_of(locale).date)


def time(value: Any, locale: str, zone: str = "UTC") -> str:
    """09:30, in the time zone given."""
    return _written(_time(value, zone), style_of(locale).time)


def date_time(value: Any, locale: str, zone: str = "UTC") -> str:
    """1 Mar 2026, 09:30 UTC: the zone is told, since a message may be read anywhere."""
    moment, style = _time(value, zone), style_of(locale)
    return f"{_written(moment, style.date)}, {_written(moment, style.time)} {moment.tzname() or 'UTC'}"


def by_pattern(moment: datetime, pattern: str, locale: str) -> str:
    """A .NET pattern such as dd.MM.yyyy HH:mm, in UTC; letters in quotes and other characters stay."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    months = MONTHS_DE if locale.lower().startswith("de") else MONTHS
    hour = moment.hour % 12 or 12
    parts = {
        "yyyy": f"{moment.year:04}",
        "yy": f"{moment.year % 100:02}",
        "MMM": months[moment.month - 1],
        "MM": f"{moment.month:02}",
        "M": str(moment.month),
        "dd": f"{moment.day:02}",
        "d": str(moment.day),
        "HH": f"{moment.hour:02}",
        "H": str(moment.hour),
        "hh": f"{hour:02}",
        "h": str(hour),
        "mm": f"{moment.minute:02}",
        "m": str(moment.minute),
        "ss": f"{moment.second:02}",
        "s": str(moment.second),
        "fff": f"{moment.microsecond // 1000:03}",
        "tt": "AM" if moment.hour < 12 else "PM",
    }

    def replaced(found: re.Match[str]) -> str:
        run = found.group(0)
        if run[0] == "'":
            return run[1:-1]
        if run not in parts:
            raise ValueError(f"{run!r} is not known in a time's pattern")
        return parts[run]

    return re.sub(r"'[^']*'|y+|M+|d+|H+|h+|m+|s+|f+|t+", replaced, pattern)


def _time(value: Any, zone: str) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no ISO 8601 time")  # noqa: TRY004  what callers catch
    moment = read_time(value)
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone such as Europe/Berlin") from None


def _written(moment: datetime, pattern: str) -> str:
    # strftime's names follow the process's locale, and %-d is not everywhere.
    fixed = pattern.replace("%-d", str(moment.day)).replace("%b", MONTHS[moment.month - 1])
    fixed = fixed.replace("%Y", f"{moment.year:04}")
    return moment.strftime(fixed)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004  likewise
    exact = Decimal(str(value))
    if not exact.is_finite() or abs(exact.adjusted()) > 30:
        raise ValueError(f"{value!r} cannot be written as a number")
    return exact
