"""`view`: the person looked. Answered with the notification's link, since a bot cannot open one for them."""

from __future__ import annotations

from ringback.delivery.content import deep_link
from ringback.engagement.action import CardAction, Press
from ringback.tables.service import Tables
from ringback.templates import markdown


async def respond(press: Press, _tables: Tables) -> str:
    """The link that the notification was sent with, else a word of thanks."""
    link = deep_link(press.delivery.content or {})
    return f"Here it is: {markdown.link(link, link)}" if link else "Opened, thank you."


VIEW = CardAction(name="view", respond=respond)
