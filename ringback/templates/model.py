"""What a template is: variants of one message by locale and kind of channel, and a JSON Schema of its data."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ringback.errors import NotFoundError, RequestError, TooLargeError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
CHAT, SMS, EMAIL = "chat", "sms", "email"
KINDS = (CHAT, SMS, EMAIL)
# Eight binary properties of 64 KiB hold it (ringback/tables/templates.py).
MAX_BODY = 256 * 1024
MAX_TEXT = 16 * 1024
# A property of a table's row holds 32 Ki characters.
MAX_DESCRIPTION = 2_000
MAX_VARIANTS = 60
# What a GET adds to a template, so that its answer can be changed and sent back.
READ_ONLY = ("version", "builtin", "updatedAt", "warnings", "example")


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One wording. Texts are jinja2: `text` gives Markdown (plain text for SMS), `html` HTML, `subject` one line.

    `card` is an Adaptive Card 1.5 with `${…}` bindings.
    """

    text: str | None = None
    card: dict[str, Any] | None = None
    subject: str | None = None
    html: str | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`variants[locale][kind]`; the default locale has a `chat` variant, so something is always found."""

    name: str
    default_locale: str
    schema: dict[str, Any]
    variants: dict[str, dict[str, Variant]]
    description: str = ""

    def find(self, locale: str | None, kind: str) -> tuple[str, str, Variant]:
        """(locale, kind, variant) that suits best: the reader's language counts more than the kind of channel."""
        for wanted in (*fallbacks(locale), *fallbacks(self.default_locale)):
            here = {known.lower(): known for known in self.variants}.get(wanted)
            if here is None:
                continue
            for candidate in dict.fromkeys((kind, CHAT)):
                if candidate in self.variants[here]:
                    return here, candidate, self.variants[here][candidate]
        raise NotFoundError(f"Template {self.name} has no {kind} or chat variant in {self.default_locale}.")


def fallbacks(locale: str | None) -> list[str]:
    """de-Latn-AT, de-Latn, de: the lookup of RFC 4647, in lower case; [] for no locale or a malformed one."""
    spelled = (locale or "").replace("_", "-")
    if not LOCALE.fullmatch(spelled):
        return []
    parts = spelled.lower().split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


def parse_template(name: str, body: bytes) -> Template:
    """A template out of a request's body, its form checked; what its texts and cards say is `check_template`'s."""
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a template: use up to 64 lower-case letters, digits and inner hyphens."
        raise RequestError(message, field="name")
    if len(body) > MAX_BODY:
        raise TooLargeError(f"The template is over {MAX_BODY // 1024} KiB: split it into several.", field="body")
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"The body is no JSON: {error}.", field="body") from None
    if not isinstance(given, dict):
        raise RequestError("The body is no JSON object.", field="body")
    for field in READ_ONLY:
        given.pop(field, None)
    if given.setdefault("name", name) != name:
        raise RequestError(f"The body names {given['name']!r}, the address {name!r}.", field="name")
    try:
        template = msgspec.convert(given, Template)
    except msgspec.ValidationError as error:
        raise _misshapen(given, error) from None
    _check_form(template)
    return template


def _check_form(template: Template) -> None:
    if not fallbacks(template.default_locale):
        message = f"{template.default_locale!r} is no locale: write it as de or de-AT."
        raise RequestError(message, field="defaultLocale")
    if len(template.description) > MAX_DESCRIPTION:
        raise TooLargeError(f"The description is over {MAX_DESCRIPTION} characters.", field="description")
    seen: set[str] = set()
    for locale, kinds in template.variants.items():
        where = f"variants.{locale}"
        if not fallbacks(locale) or "_" in locale:
            raise RequestError(f"{locale!r} is no locale: write it as de or de-AT.", field=where)
        if locale.lower() in seen:
            raise RequestError(f"The locale {locale!r} is there twice.", field=where)
        seen.add(locale.lower())
        for kind, variant in kinds.items():
            _check_variant(f"{where}.{kind}", kind, variant)
    if sum(map(len, template.variants.values())) > MAX_VARIANTS:
        raise TooLargeError(f"There are more than {MAX_VARIANTS} variants.", field="variants")
    default = {locale.lower(): kinds for locale, kinds in template.variants.items()}
    if CHAT not in default.get(template.default_locale.lower(), {}):
        where = f"variants.{template.default_locale}.{CHAT}"
        message = "The default locale needs a chat variant: it is what every other channel and locale falls back to."
        raise RequestError(message, field=where)


def _check_variant(where: str, kind: str, variant: Variant) -> None:
    if kind not in KINDS:
        raise RequestError(f"{kind!r} is no kind of channel: use {', '.join(KINDS)}.", field=where)
    if kind == SMS and (variant.card is not None or variant.html is not None):
        field = "card" if variant.card is not None else "html"
        raise RequestError(f"An SMS has no {field}: give a text.", field=f"{where}.{field}")
    if not (variant.text or variant.card):
        raise RequestError("The variant has no content: give a text or a card.", field=where)
    if variant.html is not None and kind != EMAIL:
        raise RequestError("Only an email variant has html.", field=f"{where}.html")
    for field in ("text", "subject", "html"):
        if len(getattr(variant, field) or "") > MAX_TEXT:
            raise TooLargeError(f"The {field} is over {MAX_TEXT} characters.", field=f"{where}.{field}")


def _misshapen(given: dict[str, Any], error: msgspec.ValidationError) -> RequestError:
    """What is wrong with the form, and where: msgspec names no keys, so the variants are looked through one by one."""
    field = _field_of(str(error))
    variants = given.get("variants")
    if field is not None and field.startswith("variants[") and isinstance(variants, dict):
        for locale, kinds in variants.items():
            for where, part, shape in _parts(f"variants.{locale}", kinds):
                fault = _fault(part, shape)
                if fault is not None:
                    text = re.sub(r" - at `[^`]*`", "", fault)
                    return RequestError(f"{text}.", field=".".join(filter(None, (where, _field_of(fault)))))
    return RequestError(f"{error}.", field=field)


def _fault(part: Any, shape: Any) -> str | None:
    """What msgspec says against it, or None."""
    try:
        msgspec.convert(part, shape)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _parts(where: str, kinds: Any) -> list[tuple[str, Any, Any]]:
    """(place, part, shape) of the variants of one locale, or of what stands there in their place."""
    if not isinstance(kinds, dict):
        return [(where, kinds, dict[str, Any])]
    return [(f"{where}.{kind}", variant, Variant) for kind, variant in kinds.items()]


def _field_of(message: str) -> str | None:
    """The field in msgspec's words, which name it as a path, as a missing or as an unknown one."""
    path = re.search(r"at `\$\.?([^`]*)`", message)
    named = re.search(r"(?:required|unknown) field `(\w+)`", message)
    parts = [found.group(1) for found in (path, named) if found and found.group(1)]
    return ".".join(parts) or None
