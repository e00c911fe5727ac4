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
    text = "\n\n".join(block for block in _card(card) if block.strip()) or str(card.get("fallbackText") or "")
    return _MOMENT.sub(lambda found: _moment(found, locale), text[:MAX_CHARACTERS])


def _card(card: dict[str, Any]) -> Iterator[str]:
    yield from _elements(card.get("body"))
    yield from _actions([card.get("selectAction")])
    yield from _actions(card.get("actions"))


def _elements(elements: Any) -> Iterator[str]:
    for element in elements if isinstance(elements, list) else ():
        if isinstance(element, dict) and element.get("isVisible") is not False:
            yield from _element(element)
            yield from _actions([element.get("selectAction"), element.get("inlineAction"), *_selected(element)])


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


def _selected(element: dict[str, Any]) -> Iterator[Any]:
    """What a press on a part does that is no element of its own."""
    cells = [cell for row in element.get("rows") or () for cell in row.get("cells") or ()]
    for part in (*(element.get("inlines") or ()), *cells):
        if isinstance(part, dict):
            yield part.get("selectAction")


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
    cells = (" ".join(_elements(cell.get("items"))) for cell in row.get("cells") or ())
    return " | ".join(cell for cell in cells if cell.strip())


def _actions(actions: Any) -> Iterator[str]:
    for action in actions if isinstance(actions, list) else ():
        if not isinstance(action, dict):
            continue
        url = str(action.get("url") or "")
        if action.get("type") == "Action.OpenUrl" and markdown.is_safe_url(url):
            yield markdown.link(str(action.get("title") or url), url)
        elif action.get("type") == "Action.ShowCard" and isinstance(action.get("card"), dict):
            yield from _card(action["card"])


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


def _media(element: dict[str, Any]) -> str:
    words = str(element.get("altText") or "")
    addresses = [str(source.get("url") or "") for source in element.get("sources", ())]
    address = next(filter(markdown.is_safe_url, addresses), None)
    return markdown.link(words or address, address) if address else markdown.escape(words)


def _table(element: dict[str, Any]) -> str:
    return "\n".join(_row(row) for row in element.get("rows") or ())


_LISTS = {"Container": "items", "Column": "items", "TableCell": "items", "ColumnSet": "columns", "ImageSet": "images"}
_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich,
    "FactSet": _facts,
    "Image": _image,
    "Media": _media,
    "Table": _table,
}
