"""The mark on a card's buttons, by which a press is known again: which delivery it was on, and what it is called.

A press comes back from the person's own client, which can write anything into it: the mark says where to look, and the
ledger decides whether the delivery is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

MARK = "ringback"
POSTING = ("Action.Submit", "Action.Execute")
UNNAMED = "submit"
LONGEST_NAME = 64
# What stands below these is no part of the card as it is shown: data of the author's, or of the host's.
OPAQUE = ("data", "refresh", "authentication", "metadata", "requires", "msteams")
# What Teams hands back in the place of `data`, when the author gives it.
TEAMS, TEAMS_VALUE = "msteams", "value"

Node = dict[str, Any]


class Mark(msgspec.Struct, frozen=True):
    """The delivery that a button was on, the button's name, and its `data` where that was a mere text."""

    delivery: str
    action: str
    says: str | None = None


def mark_card(card: Node, delivery: str) -> Node:
    """The card with a mark in every action that posts back; the given one stays as it is."""

    def mark(action: Node) -> Node:
        return {**action, "data": _marked_data(action, delivery)}

    found: Node = _walked(card, mark)
    return found


def disarm_card(card: Node) -> Node:
    """The card without anything that posts back; links and what shows or hides parts of it stay."""
    found: Node = _walked(card, lambda _: None)
    return found


def read_mark(value: Any) -> tuple[Mark, Node] | None:
    """The mark in what came back, and the button's data and inputs without it; None when there is none."""
    if not isinstance(value, dict):
        return None
    try:
        mark = msgspec.convert(value.get(MARK), Mark)
    except msgspec.ValidationError:
        return None
    rest = {name: item for name, item in value.items() if name != MARK}
    return msgspec.structs.replace(mark, action=_name(mark.action) or UNNAMED), rest


def name_of(action: Node) -> str:
    """What a button's presses are counted under: its data's `action`, else its verb, else its id."""
    data = action.get("data")
    given = data.get("action") if isinstance(data, dict) else None
    for candidate in (given, action.get("verb"), action.get("id")):
        if name := _name(candidate):
            return name
    return UNNAMED


def _marked_data(action: Node, delivery: str) -> Node:
    data = action.get("data")
    mark = {"delivery": delivery, "action": name_of(action)}
    if not isinstance(data, dict):
        # A client says a mere text in the person's name; as a mark it still can be, and is counted too.
        says = {"says": data} if isinstance(data, str) else {}
        return {MARK: {**mark, **says}}
    marked = {**data, MARK: mark}
    teams = data.get(TEAMS)
    if isinstance(teams, dict) and isinstance(teams.get(TEAMS_VALUE), dict):
        marked[TEAMS] = {**teams, TEAMS_VALUE: {**teams[TEAMS_VALUE], MARK: mark}}
    return marked


def _walked(node: Any, change: Callable[[Node], Node | None]) -> Any:
    """A copy with every posting action changed, or left out where `change` gives None."""
    if isinstance(node, list):
        items = [_walked(item, change) for item in node]
        return [item for item in items if item is not None]
    if not isinstance(node, dict):
        return node
    copy = {name: item if name in OPAQUE else _walked(item, change) for name, item in node.items()}
    if node.get("type") in POSTING:
        return change(copy)
    copy = {name: item for name, item in copy.items() if item is not None or node[name] is None}
    # A set must have actions: without one it goes too.
    return None if node.get("type") == "ActionSet" and node.get("actions") and not copy.get("actions") else copy


def _name(given: Any) -> str:
    return "".join(filter(str.isprintable, given)).strip()[:LONGEST_NAME] if isinstance(given, str) else ""
