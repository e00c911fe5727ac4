"""What is checked when a template is stored, so that nothing of its own can fail when it is sent."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ringback.errors import RequestError, TooLargeError
from ringback.templates.binder import check_bindings
from ringback.templates.card_rules import check_card
from ringback.templates.data_schema import check_schema
from ringback.templates.declared import Declared
from ringback.templates.model import CHAT, KINDS, SMS, Template, Variant
from ringback.templates.rendering import Renderer
from ringback.templates.samples import samples
from ringback.templates.text import HTML, MARKDOWN, PLAIN

# Trying out stops here; the whole sample, and the one of required data only, are always tried.
MAX_SECONDS = 5.0
ALWAYS_TRIED = 2


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the check found: warnings, and an example of the data."""

    warnings: tuple[str, ...]
    example: dict[str, Any]


def check_template(template: Template) -> Checked:
    """Raise RequestError naming the field of the template at fault."""
    check_schema(template.schema)
    renderer = Renderer(template)
    root = Declared(template.schema, template.schema)
    for locale, kinds in template.variants.items():
        for kind, variant in kinds.items():
            _check_variant(renderer, root, f"variants.{locale}.{kind}", kind, variant)
    made = samples(renderer.schema)
    return Checked(warnings=_try(renderer, made), example=made[0])


def _check_variant(renderer: Renderer, root: Declared, field: str, kind: str, variant: Variant) -> None:
    target = PLAIN if kind == SMS else MARKDOWN
    for name, source, how in (
        ("text", variant.text, target),
        ("subject", variant.subject, PLAIN),
        ("html", variant.html, HTML),
    ):
        if source is not None:
            renderer.text(source, how, f"{field}.{name}").check(root)
    if variant.card is not None:
        check_card(variant.card, f"{field}.card", unbound=True)
        check_bindings(variant.card, root, f"{field}.card")


def _try(renderer: Renderer, made: list[dict[str, Any]]) -> tuple[str, ...]:
    """Render every variant with every sample, for each kind of channel that can fall back to it."""
    warnings: dict[str, None] = {}
    end = time.thread_time() + MAX_SECONDS
    for number, data in enumerate(made):
        if number >= ALWAYS_TRIED and time.thread_time() > end:
            break
        for locale, kinds in renderer.template.variants.items():
            for kind, variant in kinds.items():
                channels = [other for other in KINDS if other not in kinds] if kind == CHAT else []
                for channel in (kind, *channels):
                    found = _tried(renderer, data, (locale, kind, variant), channel)
                    if number == 0:
                        warnings.update(dict.fromkeys(found))
    return tuple(warnings)


def _tried(renderer: Renderer, data: dict[str, Any], place: tuple[str, str, Variant], channel: str) -> tuple[str, ...]:
    try:
        return renderer.render_variant(data, *place, channel).warnings
    except TooLargeError as error:
        if channel == place[1]:
            raise
        # What is long for a chat may well be too long for an SMS that nobody sends.
        return (f"variants.{place[0]}.{place[1]}: too large for {channel}, add a variant for it. {error}",)
    except RequestError as error:
        shown = msgspec.json.encode(data).decode()
        sample = shown if len(shown) <= 300 else f"{shown[:299]}…"
        locale, kind, _ = place
        where = error.field or f"variants.{locale}.{kind}"
        to = f" for {channel}" if channel != kind else ""
        raise type(error)(f"{error} Tried{to} with data that fits the schema: {sample}", field=where) from None
