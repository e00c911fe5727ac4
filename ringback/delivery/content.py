"""What a notification says: made of a request, kept in the ledger, and turned into what one channel takes.

The ledger keeps an activity, or a template with its data: a template is rendered for each channel when it is sent.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ringback.channels import message_size, sms_text
from ringback.engagement.marking import disarm_card, mark_card
from ringback.errors import RequestError, TooLargeError
from ringback.templates import markdown
from ringback.templates.card_rules import check_card
from ringback.templates.library import Templates
from ringback.templates.model import CHAT, KINDS
from ringback.templates.outline import outline

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
BOT = "bot"
DEFAULT_LOCALE = "en-US"
LONGEST_SUBJECT = 150
TEMPLATE = "$template"
LINK_TITLE = "Open"
# By which it is known among the links of the card's author.
LINK_ID = "ringback-link"
SMS, EMAIL = "sms", "email"
PAGE_END = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
Content = dict[str, Any]


def from_text(text: str, link: str | None) -> Content:
    """A message of plain words."""
    return {"type": "message", "text": f"{text}\n\n{link}" if link else text}


def from_card(card: Mapping[str, Any], text: str | None, link: str | None) -> Content:
    """An Adaptive Card; `text` is what a locked screen shows of it. RequestError names the place that is no card."""
    check_card(dict(card), "card")
    shown = dict(card)
    for number, action in enumerate(shown.get("actions") or ()):
        if action.get("id") == LINK_ID:
            message = f"The id {LINK_ID!r} is that of the link's button: choose another."
            raise RequestError(message, field=f"card.actions.{number}.id")
    if link:
        button = {"type": "Action.OpenUrl", "id": LINK_ID, "title": LINK_TITLE, "url": link}
        shown["actions"] = [*(shown.get("actions") or []), button]
    content: Content = {"type": "message", "attachments": [{"contentType": CARD_TYPE, "content": shown}]}
    if text:
        # Beside a card the text would be shown twice.
        content["summary"] = text
    return content


def from_template(name: str, data: Any, locale: str | None, link: str | None) -> Content:
    """A template to be rendered when it is known by which channel it goes."""
    return {TEMPLATE: {"name": name, "data": data, "locale": locale, "link": link}}


def check_size(content: Content, field: str) -> None:
    """Raise TooLargeError for what is over the limit of every message, now that somebody can mend it.

    A template's data has a limit of its own, and may be more than is said of it: what is said is checked when rendered.
    """
    if TEMPLATE in content:
        return
    if problem := message_size.problem_of_json(msgspec.json.encode(content)):
        raise TooLargeError(problem, field=field)


async def rendered(content: Content, channel: str, locale: str | None, templates: Templates) -> Content:
    """What one kind of channel takes: an activity, or text, subject and HTML.

    Raises RequestError when the template is gone or does not fit its data, TooLargeError when too much comes of it.
    """
    use = content.get(TEMPLATE)
    if use is None:
        return content if channel == BOT else plain(content, locale or DEFAULT_LOCALE)
    # A kind of channel that templates do not know is worded like an e-mail: plain text of any length.
    kind = CHAT if channel == BOT else channel if channel in KINDS else EMAIL
    made = await templates.render(use["name"], use["data"] or {}, locale=use["locale"] or locale, channel=kind)
    if channel == BOT:
        activity = linked(made.activity(), use["link"])
        check_size(activity, "data")
        return activity
    words = linked({"text": made.text}, use["link"])
    page = {"html": linked_page(made.html, use["link"])} if made.html else {}
    return {**words, **page, "subject": made.subject or _subject(made.text)}


def plain(activity: Content, locale: str) -> Content:
    """An activity for a channel that shows neither Markdown nor cards."""
    parts = [activity.get("text") or "", *(outline(card, locale) for card in _cards(activity))]
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


def linked_page(page: str, link: str | None) -> str:
    """An HTML page with its deep link as the last paragraph."""
    if not link:
        return page
    address = html.escape(link)
    paragraph = f'<p><a href="{address}">{address}</a></p>\n'
    ends = list(PAGE_END.finditer(page))
    # A page that closes its body and itself has both at its end; the paragraph belongs before the first of them.
    bodies = [found for found in ends if found[0][2:6].lower() == "body"] or ends
    place = bodies[-1].start() if bodies else len(page)
    return f"{page[:place]}{paragraph}{page[place:]}"


def deep_link(content: Content) -> str | None:
    """The link that a card or a template was asked for with, or None."""
    use = content.get(TEMPLATE)
    if use is not None:
        link: str | None = use["link"]
        return link
    actions = (action for card in _cards(content) for action in card.get("actions") or ())
    ours = (action for action in actions if action.get("id") == LINK_ID and action.get("type") == "Action.OpenUrl")
    return next((action["url"] for action in ours), None)


def marked(content: Content, delivery_id: str) -> Content:
    """The message with its delivery's id, also on every button, by which one that is pressed is known again."""
    return _for_delivery(content, delivery_id, lambda card: mark_card(card, delivery_id))


def disarmed(content: Content, delivery_id: str) -> Content:
    """The message without buttons that come back to the bot."""
    return _for_delivery(content, delivery_id, disarm_card)


def sms_excess(content: Content, locale: str | None = None) -> int:
    """How many characters the message is over what goes as an SMS; 0 when it fits. Not for a template."""
    return max(0, sms_text.length(plain(content, locale or DEFAULT_LOCALE)["text"]) - sms_text.LONGEST)


def _for_delivery(content: Content, delivery_id: str, change: Callable[[Content], Content]) -> Content:
    data = content.get("channelData")
    made = {**content, "channelData": {**(data if isinstance(data, dict) else {}), "deliveryId": delivery_id}}
    if attachments := content.get("attachments"):
        made["attachments"] = [
            {**part, "content": change(part["content"])} if _is_card(part) else part for part in attachments
        ]
    return made


def _cards(content: Content) -> list[Content]:
    return [part["content"] for part in content.get("attachments") or () if _is_card(part)]


def _is_card(part: Any) -> bool:
    return isinstance(part, dict) and part.get("contentType") == CARD_TYPE and isinstance(part.get("content"), dict)


def _subject(text: str) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return " ".join(first.split())[:LONGEST_SUBJECT]
