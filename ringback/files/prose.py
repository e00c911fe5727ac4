"""What is known of a plain text after some of its lines; it merges with what other lines told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from ringback.files.frequencies import Frequencies, key_of, union

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Counts of lines, words (between white space) and characters (without line ends); words in lower case by count."""

    lines: int
    words: int
    characters: int
    longest_line: int
    frequent: Frequencies


def read_lines(lines: Iterable[str], limit: int) -> TextPart:
    """The part that some lines make; `limit` bounds the exact counters of words."""
    count = words = characters = longest = 0
    frequent: Counter[str] = Counter()
    for line in lines:
        body = line.rstrip("\r\n")
        count += 1
        words += len(body.split())
        characters += len(body)
        longest = max(longest, len(body))
        frequent.update(WORD.findall(body.lower()))
    keys: Counter[str] = Counter()
    for word, times in frequent.items():
        keys[key_of(word)] += times
    return TextPart(count, words, characters, longest, union([Frequencies(dict(keys))], limit))


def merge_texts(parts: Sequence[TextPart], limit: int) -> TextPart:
    """One part of several; at least one."""
    return TextPart(
        lines=sum(part.lines for part in parts),
        words=sum(part.words for part in parts),
        characters=sum(part.characters for part in parts),
        longest_line=max(part.longest_line for part in parts),
        frequent=union((part.frequent for part in parts), limit),
    )
