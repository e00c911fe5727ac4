"""The last activities on the wire, in both directions, for the page's side pane; in memory, bounded."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from local.channel.wire import now

ENTRIES = 400
BODY_LIMIT = 16 * 1024


@dataclass(frozen=True)
class Entry:
    """`way` is "to-bot" or "from-bot", `at` when it began, `status` 0 that there was no answer."""

    id: int
    at: str
    way: str
    title: str
    conversation: str
    status: int
    milliseconds: float
    body: Any
    answer: Any
    note: str


@dataclass(frozen=True)
class Outcome:
    """How a call ended: `status` 0 without an answer, `note` for what an answer does not say."""

    status: int
    seconds: float
    answer: Any
    note: str = ""


class WireLog:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES)
        self._ids = itertools.count(1)
        self._grown = asyncio.Event()

    def record(self, way: str, title: str, conversation: str, body: Any, outcome: Outcome) -> None:
        milliseconds = round(outcome.seconds * 1000, 1)
        answer = _short(outcome.answer)
        entry = Entry(
            next(self._ids), now(-outcome.seconds), way, title, conversation, outcome.status, milliseconds,
            _short(body), answer, outcome.note,
        )  # fmt: skip
        self._entries.append(entry)
        self._grown.set()
        self._grown = asyncio.Event()

    @property
    def newest(self) -> int:
        return self._entries[-1].id if self._entries else 0

    def after(self, entry_id: int) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries if entry.id > entry_id]

    async def follow(self, entry_id: int) -> AsyncIterator[list[dict[str, Any]]]:
        """Entries as they come, for ever; an empty list after 15 quiet seconds."""
        while True:
            grown = self._grown
            entries = self.after(entry_id)
            if entries:
                entry_id = entries[-1]["id"]
                yield entries
                continue
            try:
                await asyncio.wait_for(grown.wait(), 15)
            except asyncio.TimeoutError:
                yield []


def _short(body: Any) -> Any:
    """A body small enough to keep: large ones as the beginning of their text."""
    if isinstance(body, bytes):
        text = body[:BODY_LIMIT].decode("utf-8", "replace")
        return _parsed(body) if len(body) <= BODY_LIMIT else f"{text}… ({len(body)} bytes)"
    encoded = msgspec.json.encode(body)
    return (
        body
        if len(encoded) <= BODY_LIMIT
        else f"{encoded[:BODY_LIMIT].decode('utf-8', 'replace')}… ({len(encoded)} bytes)"
    )


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
