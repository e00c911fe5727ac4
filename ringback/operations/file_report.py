"""The result of `analyze-file` as text and as a card."""

from __future__ import annotations

import re
from typing import Any

from ringback.bot.messages import adaptive_card
from ringback.channels import message_size
from ringback.files.summary import ColumnSummary, Frequent, Summary, TextSummary

MAX_COLUMNS = 25
# Beside text and card the message has its address and what it offers next.
LARGEST = message_size.LARGEST - 16 * 1024
MAX_NAME = 60
Facts = list[tuple[str, str]]


def report(name: str, summary: Summary) -> tuple[str, dict[str, Any]]:
    """(text, Adaptive Card) of a summary: the same figures, of as many columns as there is room for in a message."""
    if summary.text is not None:
        return _page(name, _text_facts(summary.text), [], summary.notes)
    number = MAX_COLUMNS
    page = _table(name, summary, number)
    while number > 1 and message_size.of(page) > LARGEST:
        number = number * 3 // 4
        page = _table(name, summary, number)
    return page


def _table(name: str, summary: Summary, number: int) -> tuple[str, dict[str, Any]]:
    shown = summary.columns[:number]
    notes = list(summary.notes)
    if len(summary.columns) > len(shown):
        notes.append(f"{len(summary.columns) - len(shown)} more columns are in the operation's output.")
    head = [("Rows", str(summary.rows)), ("Columns", str(summary.columns_in_file or len(summary.columns)))]
    sections = [(f"{_cut(column.name)} ({column.type})", _column_facts(column)) for column in shown]
    return _page(name, head, sections, notes)


def _page(name: str, head: Facts, sections: list[tuple[str, Facts]], notes: list[str]) -> tuple[str, dict[str, Any]]:
    lines = [f"**{_cut(name)}**: {_line(head)}."]
    lines += [f"- **{title}**: {_line(facts)}" for title, facts in sections]
    body: list[dict[str, Any]] = [_block(_cut(name), weight="Bolder", size="Medium"), _facts(head)]
    for title, facts in sections:
        body += [_block(title, weight="Bolder", separator=True), _facts(facts)]
    for note in notes:
        lines.append(f"_{note}_")
        body.append(_block(note, isSubtle=True))
    return "\n\n".join([lines[0], "\n".join(lines[1:])]).strip(), adaptive_card(body)


def _column_facts(column: ColumnSummary) -> Facts:
    facts = [("Missing", str(column.missing)), ("Distinct", _about(column.distinct, exact=column.exact))]
    figures = (
        ("Minimum", column.minimum),
        ("Maximum", column.maximum),
        ("Mean", column.mean),
        ("Standard deviation", column.deviation),
        ("Sum", column.total),
    )
    facts += [(label, f"{value}{column.unit}") for label, value in figures if value is not None]
    if column.shortest is not None and column.type == "text":
        facts.append(("Length", f"{column.shortest} to {column.longest} characters"))
    if column.top:
        facts.append(("Most frequent", _frequent(column.top)))
    return facts


def _text_facts(text: TextSummary) -> Facts:
    facts = [
        ("Lines", str(text.lines)),
        ("Words", str(text.words)),
        ("Characters", str(text.characters)),
        ("Longest line", f"{text.longest_line} characters"),
        ("Different words", _about(text.distinct_words, exact=text.exact)),
    ]
    return [*facts, ("Most frequent", _frequent(text.top_words))] if text.top_words else facts


def _frequent(top: list[Frequent]) -> str:
    return ", ".join(f"{_cut(entry.value)} ({entry.count})" for entry in top)


def _about(count: int, *, exact: bool) -> str:
    return str(count) if exact else f"about {count}"


def _line(facts: Facts) -> str:
    return ", ".join(f"{label.lower()} {value}" for label, value in facts)


def _cut(text: str) -> str:
    """One line of a name or a value out of somebody's file, as text: Markdown in it stays what it is."""
    plain = " ".join(text.split())
    plain = plain if len(plain) <= MAX_NAME else plain[:MAX_NAME] + "…"
    return re.sub(r"([\\\[<*`])", r"\\\1", plain)


def _block(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **style}


def _facts(facts: Facts) -> dict[str, Any]:
    return {"type": "FactSet", "facts": [{"title": label, "value": value} for label, value in facts]}
