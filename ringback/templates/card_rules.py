"""Whether a card is an Adaptive Card that hosts of version 1.5 show, and what is doubtful about it.

With `unbound`, the card is a template: a string with `${` in it may become anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ringback.errors import RequestError
from ringback.templates import markdown
from ringback.templates.card_types import ACTIONS, CARD, ELEMENTS, PARTS, SINCE, VERSIONS, Properties

TEAMS_ACTIONS = 6
# Lists whose items are parts of one type, elements, or actions.
LISTS = {
    "columns": "Column",
    "facts": "Fact",
    "sources": "MediaSource",
    "choices": "Input.Choice",
    "tableColumns": "TableColumnDefinition",
    "rows": "TableRow",
    "cells": "TableCell",
}
PLAIN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a string"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "number": (lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), "a number"),
    "width": (lambda value: isinstance(value, (str, int, float)) and not isinstance(value, bool), "a width"),
    "link": (
        lambda value: isinstance(value, str) and markdown.is_safe_url(value),
        f"an address of {', '.join(markdown.SCHEMES)}",
    ),
    "image": (lambda value: isinstance(value, str) and _is_image(value), "an https address, or data:image/…"),
}


def check_card(card: Any, field: str, *, unbound: bool = False) -> list[str]:
    """Raise RequestError naming the place at fault; returns warnings."""
    rules = _Rules(field, unbound)
    rules.card(card, field, top=True)
    for target in rules.targets - set(rules.ids):
        if not unbound:
            rules.warnings.append(
                f"{field}: Action.ToggleVisibility names {target!r}, which no element has for its id."
            )
    return rules.warnings


class _Rules:
    def __init__(self, field: str, unbound: bool) -> None:
        self._field = field
        self._unbound = unbound
        self._version = VERSIONS[-1]
        self.ids: dict[str, str] = {}
        self.targets: set[str] = set()
        self.warnings: list[str] = []

    def card(self, card: Any, where: str, *, top: bool) -> None:
        if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
            raise RequestError('A card is an object with "type": "AdaptiveCard".', field=where)
        if top:
            if "version" not in card:
                raise RequestError('The card needs "version": "1.5".', field=f"{where}.version")
            self._one_of(card["version"], VERSIONS, f"{where}.version")
            self._version = str(card["version"])
        self._properties(card, CARD, where)
        if len(card.get("actions") or ()) > TEAMS_ACTIONS:
            self.warnings.append(f"{where}.actions: Teams shows {TEAMS_ACTIONS} actions of a card and hides the rest.")

    def _typed(self, node: Any, known: dict[str, Properties], what: str, where: str) -> None:
        kind = node.get("type") if isinstance(node, dict) else None
        if not isinstance(kind, str) or kind not in known:
            raise RequestError(f"{kind!r} is no {what} of Adaptive Cards 1.5.", field=f"{where}.type")
        if SINCE.get(kind, "1.0") > self._version:
            message = f"{kind} came with version {SINCE[kind]}, and the card says {self._version}."
            raise RequestError(message, field=f"{where}.type")
        self._properties(node, known[kind], where)

    def _properties(self, node: dict[str, Any], allowed: Properties, where: str) -> None:
        for name, kind in allowed.items():
            plain = name.rstrip("!")
            if node.get(plain) is not None:
                self._value(node[plain], kind, f"{where}.{plain}")
            elif name.endswith("!"):
                raise RequestError(f"{node.get('type', 'This')} needs {plain}.", field=f"{where}.{plain}")
        known = {name.rstrip("!") for name in allowed}
        for name in node:
            if name not in known and name != "type" and not (self._unbound and name.startswith("$")):
                self.warnings.append(f"{where}.{name}: no such property in Adaptive Cards 1.5; hosts ignore it.")
        self._identify(node, where)

    def _identify(self, node: dict[str, Any], where: str) -> None:
        identity = node.get("id")
        if not isinstance(identity, str) or (self._unbound and ("${" in identity or "$when" in node)):
            return
        if identity in self.ids and not self._unbound:
            raise RequestError(
                f"The id {identity!r} is there twice: also at {self.ids[identity]}.", field=f"{where}.id"
            )
        self.ids[identity] = where

    def _value(self, value: Any, kind: Any, where: str) -> None:
        if self._unbound and isinstance(value, str) and "${" in value:
            return
        if isinstance(kind, tuple):
            self._one_of(value, kind, where)
        elif kind in PLAIN:
            fits, words = PLAIN[kind]
            if not fits(value):
                raise RequestError(f"This is {words}, not {str(value)[:60]!r}.", field=where)
        elif kind != "any":
            self._structure(value, kind, where)

    def _structure(self, value: Any, kind: str, where: str) -> None:
        if kind == "card":
            self.card(value, where, top=False)
        elif kind == "selectAction":
            self._action(value, where, select=True)
        elif kind == "background":
            inner = value.get("url") if isinstance(value, dict) else value
            self._value(inner, "image", where)
        elif kind == "fallback":
            if value != "drop":
                kind = str(value.get("type")) if isinstance(value, dict) else ""
                known = ACTIONS if kind.startswith("Action.") else {**ELEMENTS, "Column": PARTS["Column"]}
                self._typed(value, known, "fallback", where)
        elif not isinstance(value, list):
            raise RequestError("This is a list.", field=where)
        else:
            for index, item in enumerate(value):
                if not (self._unbound and isinstance(item, str) and "${" in item):
                    self._item(item, kind, f"{where}.{index}")

    def _item(self, item: Any, kind: str, where: str) -> None:
        if kind == "elements":
            self._typed(item, ELEMENTS, "element", where)
        elif kind == "images":
            self._typed(item, {"Image": ELEMENTS["Image"]}, "image", where)
        elif kind == "actions":
            self._action(item, where, select=False)
        elif kind == "targets":
            self.targets.add(str(item.get("elementId") if isinstance(item, dict) else item))
        elif kind == "inlines":
            if not isinstance(item, str):
                self._part(item, "TextRun", where)
        else:
            self._part(item, LISTS[kind], where)

    def _part(self, item: Any, name: str, where: str) -> None:
        if not isinstance(item, dict) or item.get("type", name) != name:
            raise RequestError(f"This is an object of type {name}.", field=where)
        self._properties(item, PARTS[name], where)

    def _action(self, action: Any, where: str, *, select: bool) -> None:
        self._typed(action, ACTIONS, "action", where)
        if select and action["type"] == "Action.ShowCard":
            raise RequestError("Action.ShowCard cannot be a selectAction.", field=f"{where}.type")
        if not select and not (action.get("title") or action.get("iconUrl")):
            self.warnings.append(f"{where}: the button has no title.")

    def _one_of(self, value: Any, words: tuple[str, ...], where: str) -> None:
        if not isinstance(value, str) or value.lower() not in words:
            raise RequestError(f"This is one of {', '.join(words)}, not {str(value)[:60]!r}.", field=where)


def _is_image(url: str) -> bool:
    return url.startswith("data:image/") or (url.startswith(("https://", "http://")) and markdown.is_safe_url(url))
