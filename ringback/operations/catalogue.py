"""The operations a person can ask for. To add one: write its file beside this one, its activities, an entry here."""

from __future__ import annotations

import re

from ringback.errors import NotFoundError
from ringback.operations.analyze_file import ANALYZE_FILE
from ringback.operations.approval_demo import APPROVAL_DEMO
from ringback.operations.external_job import EXTERNAL_JOB
from ringback.operations.operation import Operation

CATALOGUE: tuple[Operation, ...] = (ANALYZE_FILE, EXTERNAL_JOB, APPROVAL_DEMO)


def find(name: str) -> Operation:
    """The operation called `name`; raises NotFoundError that lists the names there are."""
    for operation in CATALOGUE:
        if operation.name == name:
            return operation
    names = ", ".join(operation.name for operation in CATALOGUE)
    raise NotFoundError(f"There is no operation {name!r}. There are: {names}.", field="operation")


def chosen(text: str) -> tuple[Operation, str] | None:
    """The operation that the text names, with the words after the name; by number, name or title."""
    words = text.strip()
    number = re.fullmatch(r"#?(\d{1,2})[.)]?", words)
    if number:
        index = int(number.group(1)) - 1
        return (CATALOGUE[index], "") if 0 <= index < len(CATALOGUE) else None
    words = re.sub(r"^(please\s+)?(start|run|do)\s+", "", words, flags=re.IGNORECASE)
    for operation in CATALOGUE:
        for name in (operation.name, operation.name.replace("-", " "), operation.title):
            if re.match(re.escape(name) + r"(?![\w-])", words, re.IGNORECASE):
                return operation, words[len(name) :].strip(" :,.!")
    return None


def meant(text: str) -> Operation | None:
    """The operation that free text seems to ask for: the one with most keywords in it, None for a tie or no word."""
    words = set(re.findall(r"\w+", text.casefold()))
    scores = [(len(words & set(operation.keywords)), operation) for operation in CATALOGUE]
    best = max(score for score, _ in scores)
    winners = [operation for score, operation in scores if score == best]
    return winners[0] if best > 0 and len(winners) == 1 else None


def title(name: str) -> str:
    """The title of an operation, or its name when it has left the catalogue since."""
    return next((operation.title for operation in CATALOGUE if operation.name == name), name)


def file_operation() -> Operation:
    """The operation that a file sent in chat is for."""
    return next(operation for operation in CATALOGUE if operation.takes_file)
