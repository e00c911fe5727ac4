"""What a card says, as Markdown: for channels that show no cards, and for clients that cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ringback.templates import formats, markdown
from ringback.templates.budget import MAX_CHARACTERS

# The functions that hosts themselves run in a text block.
_MOMENT = re.compile(r"\{\{(DATE|TIME)\(([^,)\s]{1,40})(?:,\s*(\w{1,10}))?\)\}\}")


def outline(card: dict[str, Any], locale: str) -> str:
    """Headings, texts, facts, tables and links of a bound card; buttons that post back have no place in it."""
    blocks = [*_elements(card.get("body")), *_actions(card.get("actions"))]
    text = "\n\n".join(block for block in blocks if block.strip()) or str(card.get("fallbackText") or "")
    return _MOMENT.sub(lambda found: _moment(found, locale), text[:MAX_CHARACTERS])


def _elements(elements: Any) -> Iterator[str]:
    for element in elements if isinstance(elements, list) else ():
        if isinstance(element, dict) and element.get("isVisible") is not False:
            yield from _element(element)
            yield from _actions([element.get("selectAction")])


def _element(element: dict[str, Any]) -> Iterator[str]:
    kind = str(element.get("type"))
    if kind in _LISTS:
        inner = element.get(_LISTS[kind])
        # A column's type may be left out.
        yield from _elements([{"type": "Column", **part} for part in inner or ()] if kind == "ColumnSet" else inner)
    elif kind in _WORDS:
        yield _WORDS[kind](element)
    elif kind == "ActionSet":
        yield from _actions(element.get("actions"))


def _text_block(element: dict[str, Any]) -> str:
    text = str(element.get("text") or "")
    large = str(element.get("size", "")).lower() in {"large", "extralarge"}
    if large or str(element.get("style", "")).lower() == "heading":
        return f"## {text}"
    bold = str(element.get("weight", "")).lower() == "bolder" and text.strip() and not re.search(r"[*\n]", text)
    return f"**{text.strip()}**" if bold else text


def _run(run: Any) -> str:
    return markdown.escape(run if isinstance(run, str) else str(run.get("text") or ""))


def _row(row: dict[str, Any]) -> str:
    cells = (" ".join(_elements(cell.get("items"))) for cell in row.get("cells", ()))
    return " | ".join(cell for cell in cells if cell.strip())


def _actions(actions: Any) -> Iterator[str]:
    for action in actions if isinstance(actions, list) else ():
        if not isinstance(action, dict):
            continue
        url = str(action.get("url") or "")
        if action.get("type") == "Action.OpenUrl" and markdown.is_safe_url(url):
            yield markdown.link(str(action.get("title") or url), url)
        elif action.get("type") == "Action.ShowCard" and isinstance(action.get("card"), dict):
            yield from _elements(action["card"].get("body"))


def _moment(found: re.Match[str], locale: str) -> str:
    value = found[2].replace("\\", "")
    try:
        return formats.date(value, locale) if found[1] == "DATE" else formats.time(value, locale)
    except ValueError:
        return value


def _rich(element: dict[str, Any]) -> str:
    return "".join(_run(run) for run in element.get("inlines", ()))


def _facts(element: dict[str, Any]) -> str:
    return "\n".join(f"- **{fact.get('title')}**: {fact.get('value')}" for fact in element.get("facts", ()))


def _image(element: dict[str, Any]) -> str:
    return markdown.escape(str(element.get("altText") or ""))


def _table(element: dict[str, Any]) -> str:
    return "\n".join(_row(row) for row in element.get("rows", ()))


_LISTS = {"Container": "items", "Column": "items", "TableCell": "items", "ColumnSet": "columns", "ImageSet": "images"}
_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich,
    "FactSet": _facts,
    "Image": _image,
    "Table": _table,
}
