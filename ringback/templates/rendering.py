"""A template and data into a message: the variant chosen, the data checked, text, card, subject and HTML made."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec

from ringback.channels import message_size, sms_text
from ringback.errors import RequestError, TooLargeError
from ringback.templates import markdown
from ringback.templates.binder import bind
from ringback.templates.budget import Budget
from ringback.templates.card_rules import check_card
from ringback.templates.data_schema import DataSchema
from ringback.templates.model import CHAT, EMAIL, KINDS, SMS, Template, Variant
from ringback.templates.outline import outline
from ringback.templates.text import HTML, MARKDOWN, PLAIN, Text

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
MAX_SUBJECT = 200


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready to be sent.

    `text` is Markdown for chat and plain for SMS and e-mail; `card`, for chat only, an Adaptive Card; `subject` and
    `html` are for e-mail. `fallback_text` says everything in plain text. `locale` and `kind` are those of the variant
    used; sizes are in bytes: a chat message's and its card's as `message_size` counts, the others' as UTF-8.
    """

    text: str
    fallback_text: str
    card: dict[str, Any] | None = None
    subject: str | None = None
    html: str | None = None
    locale: str
    kind: str
    card_bytes: int = 0
    message_bytes: int = 0
    warnings: tuple[str, ...] = ()

    def activity(self) -> dict[str, Any]:
        """The message as a Bot Framework activity without an address."""
        return chat_activity(self.text, self.card, self.fallback_text)


class Renderer:
    """One template, prepared: texts are compiled once, when they are first used."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.schema = DataSchema(template.schema)
        self._texts: dict[tuple[str, str], Text] = {}

    def render(self, data: Any, locale: str | None = None, channel: str = CHAT) -> Rendered:
        """RequestError naming `data.…` when the data does not fit, TooLargeError past a channel's limit."""
        if channel not in KINDS:
            raise RequestError(f"{channel!r} is no kind of channel: use {', '.join(KINDS)}.", field="channel")
        found, kind, variant = self.template.find(locale, channel)
        return self.render_variant(self.schema.validate(data), found, kind, variant, channel)

    def render_variant(self, data: dict[str, Any], locale: str, kind: str, variant: Variant, channel: str) -> Rendered:
        """One variant for a kind of channel, with data that was validated."""
        parts = _Parts(self, data, locale, kind, variant)
        if channel == CHAT:
            return parts.for_chat()
        return parts.for_sms() if channel == SMS else parts.for_email()

    def text(self, source: str, target: str, field: str) -> Text:
        """A compiled text; `field` is its place in the template."""
        key = (field, target)
        if key not in self._texts:
            self._texts[key] = Text(source, target, field)
        return self._texts[key]


class _Parts:
    """What the kinds of messages are made of."""

    def __init__(self, renderer: Renderer, data: dict[str, Any], locale: str, kind: str, variant: Variant) -> None:
        self._renderer = renderer
        self._data = data
        self._locale = locale
        self._kind = kind
        self._variant = variant
        self._field = f"variants.{locale}.{kind}"
        self._budget = Budget()
        self._warnings: list[str] = []

    def for_chat(self) -> Rendered:
        text, card = self._text(MARKDOWN), self._card()
        fallback = markdown.to_plain(text or self._outline(card))
        card_bytes = message_size.of(card) if card is not None else 0
        size = message_size.of(chat_activity(text, card, fallback))
        self._check_size(size, "text" if card is None else "card")
        return self._rendered(text, fallback, size, card=card, card_bytes=card_bytes, subject=self._given_subject())

    def for_sms(self) -> Rendered:
        text = self._text(PLAIN).strip() if self._kind == SMS else markdown.to_plain(self._markdown())
        # A no-break space is not in GSM-7, and would halve what a message holds.
        text = text.replace("\u00a0", " ")
        if (size := sms_text.length(text)) > sms_text.LONGEST:
            message = f"The SMS is {size} characters, over the {sms_text.LONGEST} of ten parts."
            raise TooLargeError(message, field=f"{self._field}.text")
        alphabet, _, count = sms_text.segments(sms_text.plain(text))
        if count > 1:
            self._warnings.append(f"{self._field}.text: sent as {count} SMS in {alphabet}.")
        return self._rendered(text, text, len(text.encode()))

    def for_email(self) -> Rendered:
        written = self._markdown()
        text = markdown.to_plain(written)
        subject = self._given_subject() or _one_line(text)
        if self._variant.html is not None and self._kind == EMAIL:
            field = f"{self._field}.html"
            body = self._renderer.text(self._variant.html, HTML, field).render(self._data, self._locale, self._budget)
        else:
            body = markdown.to_html(written)
        page = body if re.match(r"\s*<(?:!doctype|html)", body, re.IGNORECASE) else self._page(body, subject)
        size = len(text.encode()) + len(page.encode())
        self._check_size(size, "text" if self._variant.html is None else "html")
        return self._rendered(text, text, size, subject=subject, html=page)

    def _rendered(self, text: str, fallback: str, size: int, **more: Any) -> Rendered:
        if not fallback and more.get("card") is None:
            part = "text" if self._variant.text is not None else "card"
            raise RequestError("The message comes out empty.", field=f"{self._field}.{part}")
        return Rendered(
            text=text, fallback_text=fallback, locale=self._locale, kind=self._kind, message_bytes=size,
            warnings=tuple(dict.fromkeys(self._warnings)), **more,
        )  # fmt: skip

    def _check_size(self, size: int, part: str) -> None:
        if size > message_size.LARGEST:
            message = f"The message is {size} bytes, over {message_size.LARGEST}: shorten it."
            raise TooLargeError(message, field=f"{self._field}.{part}")

    def _text(self, target: str) -> str:
        if self._variant.text is None:
            return ""
        compiled = self._renderer.text(self._variant.text, target, f"{self._field}.text")
        return compiled.render(self._data, self._locale, self._budget).strip("\n")

    def _markdown(self) -> str:
        """The text, or what the card says when there is no text."""
        return self._text(MARKDOWN) or self._outline(self._card())

    def _card(self) -> dict[str, Any] | None:
        if self._variant.card is None:
            return None
        field = f"{self._field}.card"
        card = bind(self._variant.card, self._data, self._budget, field)
        if not isinstance(card, dict):
            raise RequestError("The card as a whole was dropped or repeated by $when or $data.", field=field)
        self._warnings.extend(check_card(card, field))
        return card

    def _outline(self, card: dict[str, Any] | None) -> str:
        return outline(card, self._locale) if card is not None else ""

    def _given_subject(self) -> str | None:
        if self._variant.subject is None:
            return None
        compiled = self._renderer.text(self._variant.subject, PLAIN, f"{self._field}.subject")
        return _one_line(compiled.render(self._data, self._locale, self._budget).replace("\n", " "))

    def _page(self, body: str, subject: str) -> str:
        language, title = html.escape(self._locale), html.escape(subject)
        head = f'<meta charset="utf-8"><title>{title}</title>'
        return f'<!doctype html>\n<html lang="{language}"><head>{head}</head><body>\n{body}\n</body></html>\n'


def chat_activity(text: str, card: dict[str, Any] | None, summary: str) -> dict[str, Any]:
    """A message activity; its summary is what a notification shows of a card."""
    activity: dict[str, Any] = {"type": "message", "textFormat": "markdown"}
    if text:
        activity["text"] = text
    if card is not None:
        activity["summary"] = _one_line(summary)
        activity["attachments"] = [{"contentType": CARD_TYPE, "content": card}]
    return activity


def _one_line(text: str) -> str:
    """The first line, blanks folded: a line break in a subject would be a header of its own."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    folded = " ".join(markdown.clean(first).split())
    return folded if len(folded) <= MAX_SUBJECT else f"{folded[: MAX_SUBJECT - 1]}…"
