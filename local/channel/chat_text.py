"""Activities as text for a terminal: cards drawn in lines, buttons as choices."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Activity = dict[str, Any]
ADAPTIVE = "application/vnd.microsoft.card.adaptive"
CARDS = "application/vnd.microsoft.card."
BOLD = re.compile(r"\*\*(\S(?:[^*]*\S)?)\*\*")


@dataclass(frozen=True)
class Choice:
    """A button: what is sent when its number is typed; a link opens nothing here, it is shown."""

    title: str
    activity: Activity | None = None
    link: str = ""
    inputs: tuple[Activity, ...] = ()


@dataclass
class Drawn:
    lines: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)


def draw(activity: Activity) -> Drawn:
    """What a person sees of a bot's activity; nothing for the kinds that are not shown."""
    drawn = Drawn()
    kind = activity.get("type")
    if kind == "event":
        drawn.lines.append(f"(event {activity.get('name', '')})")
    elif kind == "endOfConversation":
        drawn.lines.append("(the bot ended the conversation)")
    elif kind == "messageDelete":
        drawn.lines.append("(a message was taken back)")
    if kind != "message":
        return drawn
    drawn.lines += _lines(activity.get("text"), markdown=activity.get("textFormat") in (None, "markdown"))
    for attachment in _dicts(activity.get("attachments")):
        _attachment(attachment, drawn)
    suggested = activity.get("suggestedActions")
    if isinstance(suggested, dict):
        # Bots offer the same on the card and below it: one number is enough.
        titles = {choice.title for choice in drawn.choices}
        offered = [_button(action) for action in _dicts(suggested.get("actions"))]
        drawn.choices += [choice for choice in offered if choice.title not in titles]
    return drawn


def values(wanted: Activity) -> list[str]:
    """What an Input.ChoiceSet lets one choose."""
    return [str(choice.get("value")) for choice in _dicts(wanted.get("choices"))]


def _attachment(attachment: Activity, drawn: Drawn) -> None:
    content = attachment.get("content")
    kind = str(attachment.get("contentType") or "")
    if kind == ADAPTIVE and isinstance(content, dict):
        drawn.lines += [f"│ {line}" for line in _elements(content.get("body"))]
        inputs = tuple(_inputs(content))
        drawn.choices += [choice for action in _actions(content) for choice in _action(action, inputs)]
    elif kind.startswith(CARDS) and isinstance(content, dict):
        texts = [content.get(name) for name in ("title", "subtitle", "text")]
        drawn.lines += [f"│ {line}" for text in texts if text for line in str(text).splitlines()]
        drawn.choices += [_button(action) for action in _dicts(content.get("buttons"))]
    else:
        link = str(attachment.get("contentUrl") or "")
        shown = link if len(link) < 200 else "(inline data)"
        drawn.lines.append(f"[{attachment.get('name') or kind or 'attachment'}] {shown}".rstrip())


def _button(action: Activity) -> Choice:
    """A suggested action or a button of a hero card."""
    value = action.get("value")
    title = str(action.get("title") or action.get("text") or value or "…")
    kind = action.get("type")
    if kind in ("openUrl", "downloadFile", "showImage", "playAudio", "playVideo", "signin", "call"):
        return Choice(title, link=str(value or ""))
    if kind == "messageBack":
        sent = {
            "text": action.get("text") or "",
            "value": value,
            "channelData": {"messageBack": {"displayText": title}},
        }
        return Choice(title, {name: data for name, data in sent.items() if data is not None})
    text = value if isinstance(value, str) else None
    if kind == "postBack":
        return Choice(title, {"text": text} if text is not None else {"value": value})
    return Choice(title, {"text": text if text is not None else title})


def _action(action: Activity, inputs: tuple[Activity, ...]) -> Iterator[Choice]:
    """The choices of an Adaptive Card action; a card that it shows is part of the same screen here."""
    title = str(action.get("title") or "…")
    kind = action.get("type")
    if kind == "Action.OpenUrl":
        yield Choice(title, link=str(action.get("url") or ""))
    elif kind == "Action.ShowCard" and isinstance(action.get("card"), dict):
        card = action["card"]
        for inner in _actions(card):
            yield from _action(inner, (*inputs, *_inputs(card)))
    elif kind in ("Action.Submit", "Action.Execute"):
        data = action.get("data")
        asked = () if action.get("associatedInputs") == "none" else inputs
        if isinstance(data, str) and not asked:
            yield Choice(title, {"text": data})
        else:
            yield Choice(title, {"value": data if isinstance(data, dict) else {}}, inputs=asked)


def _actions(card: Activity) -> list[Activity]:
    nested = [
        action
        for element in _walk(card)
        if element.get("type") == "ActionSet"
        for action in _dicts(element.get("actions"))
    ]
    selected = [element["selectAction"] for element in _walk(card) if isinstance(element.get("selectAction"), dict)]
    return nested + selected + _dicts(card.get("actions"))


def _inputs(card: Activity) -> list[Activity]:
    return [element for element in _walk(card) if str(element.get("type")).startswith("Input.") and element.get("id")]


def _walk(element: Activity) -> Iterator[Activity]:
    """All elements of a card's body, containers before what they hold."""
    for name in ("body", "items", "columns", "rows", "cells", "images"):
        for inner in _dicts(element.get(name)):
            yield inner
            yield from _walk(inner)


def _elements(elements: Any) -> list[str]:
    return [line for element in _dicts(elements) if element.get("isVisible", True) for line in _element(element)]


def _element(element: Activity) -> list[str]:
    kind = str(element.get("type"))
    if kind == "TextBlock":
        return _lines(element.get("text"))
    if kind == "RichTextBlock":
        given = element.get("inlines")
        runs = [{"text": run} if isinstance(run, str) else run for run in given] if isinstance(given, list) else []
        return ["".join(str(run.get("text", "")) for run in _dicts(runs))]
    if kind == "FactSet":
        facts = _dicts(element.get("facts"))
        titles = [str(fact.get("title", "")) for fact in facts]
        widest = max(map(_width, titles), default=0)
        padded = [title + " " * (widest - _width(title)) for title in titles]
        return [f"{title}  {fact.get('value', '')}" for title, fact in zip(padded, facts, strict=True)]
    if kind in ("ColumnSet", "TableRow"):
        columns = [
            " ".join(_elements(column.get("items")))
            for column in _dicts(element.get("columns") or element.get("cells"))
        ]
        return ["  ".join(column for column in columns if column)]
    if kind == "Table":
        return [line for row in _dicts(element.get("rows")) for line in _element({"type": "TableRow", **row})]
    if kind == "Image":
        return [f"[image {element.get('altText') or ''}]"]
    if kind.startswith("Input."):
        return [f"{element.get('label') or element.get('placeholder') or element.get('id')}: …"]
    return _elements(element.get("items"))


def _lines(text: Any, *, markdown: bool = True) -> list[str]:
    """Lines without the stars of bold words, which a terminal does not draw."""
    return [BOLD.sub(r"\1", line) if markdown else line for line in str(text or "").splitlines()]


def _width(text: str) -> int:
    """Columns in a terminal, where letters of East Asia and most emoji take two, and accents of their own none."""
    letters = [letter for letter in text if not unicodedata.combining(letter)]
    return len(letters) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in letters)


def _dicts(value: Any) -> list[Activity]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
