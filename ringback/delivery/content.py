"""What a notification says: made of a request, kept in the ledger, and turned into what one channel takes.

The ledger keeps an activity, or a template with its data: a template is rendered for each channel when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from ringback.errors import RequestError, TooLargeError

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
TEMPLATE = "$template"
# Teams counts UTF-16 and refuses near 100 KB; what it would refuse is refused here, when somebody can mend it.
LARGEST = 80 * 1024
LINK_TITLE = "Open"
Content = dict[str, Any]


class Renderer(Protocol):
    """What of `ringback.templates` a delivery needs."""

    async def render(self, name: str, data: Any, *, locale: str | None, channel: str) -> Any:
        """The message of a template for one kind of channel: an activity without an address."""


def from_text(text: str, link: str | None) -> Content:
    """A message of plain words."""
    return {"type": "message", "text": f"{text}\n\n{link}" if link else text}


def from_card(card: Mapping[str, Any], text: str | None, link: str | None) -> Content:
    """An Adaptive Card; `text` is what notifications on a locked screen and other channels show of it."""
    if card.get("type") != "AdaptiveCard" or not isinstance(card.get("body", []), list):
        raise RequestError("card must be an Adaptive Card: an object with type AdaptiveCard and a body.", field="card")
    shown = dict(card)
    if link:
        actions = shown.get("actions") or []
        if not isinstance(actions, list):
            raise RequestError("card.actions must be an array.", field="card.actions")
        shown["actions"] = [*actions, {"type": "Action.OpenUrl", "title": LINK_TITLE, "url": link}]
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


async def rendered(content: Content, channel: str, locale: str | None, templates: Renderer | None) -> Content:
    """The activity for one kind of channel; raises RequestError when its template is gone or does not fit its data."""
    use = content.get(TEMPLATE)
    if use is None:
        return content
    if templates is None:
        raise RequestError("Templates are not available in this app.", field="template")
    made = await templates.render(use["name"], use["data"], locale=use["locale"] or locale, channel=channel)
    return linked(dict(made), use["link"])


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
