"""The actions of cards that are answered by code. To add one: write its file beside this one, and an entry here."""

from __future__ import annotations

from ringback.engagement.action import CardAction
from ringback.engagement.dismiss import DISMISS
from ringback.engagement.view import VIEW

ACTIONS: tuple[CardAction, ...] = (VIEW, DISMISS)


def find(name: str) -> CardAction | None:
    """The action called `name`, or None."""
    return next((action for action in ACTIONS if action.name == name), None)


def label(name: str) -> str:
    """The name where it is one of the catalogue, else `custom`: a label of which there are few."""
    return name if find(name) is not None else "custom"
