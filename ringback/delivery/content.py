"""What a notification says: made of a request, kept in the ledger, and turned into what one channel takes.

The ledger keeps an activity, or a template with its data: a template is rendered for each channel when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ringback.errors import TooLargeError
from ringback.templates import markdown
from ringback.templates.card_rules import check_card
from ringback.templates.library import Templates
from ringback.templates.model import CHAT
from ringback.templates.outline import outline

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
BOT = "bot"
DEFAULT_LOCALE = "en-US"
LONGEST_SUBJECT = 150
TEMPLATE = "$template"
# Teams counts UTF-16 and refuses near 100 KB; what it would refuse is refused here, when somebody can mend it.
LARGEST = 80 * 1024
LINK_TITLE = "Open"
Content = dict[str, Any]


def from_text(text: str, link: str | None) -> Content:
    """A message of plain words."""
    return {"type": "message", "text": f"{text}\n\n{link}" if link else text}


def from_card(card: Mapping[str, Any], text: str | None, link: str | None) -> Content:
    """An Adaptive Card; `text` is what a locked screen shows of it. RequestError names the place that is no card."""
    check_card(dict(card), "card")
    shown = dict(card)
    if link:
        shown["actions"] = [*(shown.get("actions") or []), {"type": "Action.OpenUrl", "title": LINK_TITLE, "url": link}]
    content: Content = {"type": "message", "attachments": [{"contentType": CARD_TYPE, "content": shown}]}
    if text:
        # Beside a card the text would be shown twice.
        content["summary"] = text
    return content


def from_template(name: str, data: Any, locale: str | None, link: str | None) -> Content:
    """A template to be rendered when it is known by which channel it goes."""
    return {TEMPLATE: {"name": name, "data": data, "locale": locale, "link": link}}


def check_size(content: Content, field: str) -> None:
    """Raise TooLargeError when the channel would."""
    size = len(msgspec.json.encode(content).decode().encode("utf-16-le"))
    if size > LARGEST:
        raise TooLargeError(f"The message has {size} bytes of UTF-16; {LARGEST} is the most: shorten it.", field=field)


async def rendered(content: Content, channel: str, locale: str | None, templates: Templates) -> Content:
    """What one kind of channel takes: an activity, or text, subject and HTML.

    Raises RequestError when the template is gone or does not fit its data.
    """
    use = content.get(TEMPLATE)
    if use is None:
        return content if channel == BOT else plain(content, locale or DEFAULT_LOCALE)
    kind = CHAT if channel == BOT else channel
    made = await templates.render(use["name"], use["data"] or {}, locale=use["locale"] or locale, channel=kind)
    if channel == BOT:
        return linked(made.activity(), use["link"])
    words = linked({"text": made.text}, use["link"])
    # The HTML was made without the link; the mail sender makes its own of the text where there is none.
    page = {"html": made.html} if made.html and not use["link"] else {}
    return {**words, **page, "subject": made.subject or _subject(made.text)}


def plain(activity: Content, locale: str) -> Content:
    """An activity for a channel that shows neither Markdown nor cards."""
    cards = [part["content"] for part in activity.get("attachments") or [] if part.get("contentType") == CARD_TYPE]
    parts = [activity.get("text") or "", *(outline(card, locale) for card in cards)]
    text = markdown.to_plain("\n\n".join(part for part in parts if part)) or activity.get("summary") or ""
    return {"text": text, "subject": _subject(activity.get("summary") or text)}


def linked(content: Content, link: str | None) -> Content:
    """The message with its deep link: as a button of its card, else below its words."""
    if not link:
        return content
    attachments = content.get("attachments") or []
    card = attachments[0].get("content") if attachments and attachments[0].get("contentType") == CARD_TYPE else None
    if card is None:
        return {**content, "text": f"{content.get('text') or ''}\n\n{link}".strip()}
    with_link = from_card(card, None, link)
    return {**content, "attachments": [*with_link["attachments"], *attachments[1:]]}


def marked(content: Content, delivery_id: str) -> Content:
    """The message with its delivery's id, by which a button pressed on it is known again."""
    data = content.get("channelData")
    return {**content, "channelData": {**(data if isinstance(data, dict) else {}), "deliveryId": delivery_id}}


def _subject(text: str) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return " ".join(first.split())[:LONGEST_SUBJECT]
