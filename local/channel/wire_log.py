"""The last activities on the wire, in both directions, for the page's side pane; in memory, bounded."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec

from local.channel.wire import NOT_JSON, json_value, now

ENTRIES = 400
BODY_LIMIT = 16 * 1024


class Entry(TypedDict):
    """`way` is "to-bot" or "from-bot", `at` when it began, `status` 0 that there was no answer.

    Bodies are JSON, encoded once: whatever was on the wire, reading the log cannot fail.
    """

    id: int
    at: str
    way: str
    title: str
    conversation: str
    status: int
    milliseconds: float
    body: msgspec.Raw
    answer: msgspec.Raw
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
        # Milliseconds to begin with: a reader who knows an id from before a restart misses nothing after it.
        self._ids = itertools.count(time.time_ns() // 1_000_000)
        self._grown = asyncio.Event()

    def record(self, way: str, title: str, conversation: str, body: Any, outcome: Outcome) -> None:
        """Keep a call; `body` and the outcome's answer are bytes as they came, or values that are JSON."""
        entry: Entry = {
            "id": next(self._ids),
            "at": now(-outcome.seconds),
            "way": way,
            "title": title,
            "conversation": conversation,
            "status": outcome.status,
            "milliseconds": round(outcome.seconds * 1000, 1),
            "body": _kept(body),
            "answer": _kept(outcome.answer),
            "note": outcome.note,
        }
        self._entries.append(entry)
        self._grown.set()
        self._grown = asyncio.Event()

    @property
    def newest(self) -> int:
        return self._entries[-1]["id"] if self._entries else 0

    def after(self, entry_id: int) -> list[Entry]:
        return [entry for entry in self._entries if entry["id"] > entry_id]

    async def follow(self, entry_id: int) -> AsyncIterator[list[Entry]]:
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


def _kept(body: Any) -> msgspec.Raw:
    """A body as JSON on one line; a large one as the beginning of its text, what is no JSON as its text."""
    given = body if isinstance(body, bytes) else msgspec.json.encode(body)
    if len(given) > BODY_LIMIT:
        return _text(f"{given[:BODY_LIMIT].decode('utf-8', 'replace')}… ({len(given)} bytes)")
    try:
        return msgspec.Raw(msgspec.json.encode(json_value(given)))
    except NOT_JSON:
        return _text(given.decode("utf-8", "replace"))


def _text(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))
