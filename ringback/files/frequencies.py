"""How often each value occurs: exact while the values fit, within known bounds after.

Up to `limit` distinct values every count is exact, and so is their number. Over it the counters become a Misra-Gries
summary, merged as in Agarwal et al., "Mergeable Summaries" (PODS 2012): a true count lies between the counter and the
counter plus `error`, and a value without a counter occurs at most `error` times. Whether it came to that depends on the
values only, not on how they were split. The number of distinct values is then estimated from the 1,024 smallest of
their hashes (Bar-Yossef et al., 2002: about 3 % off), which no split changes either.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

HASHES = 1024
KEY_LENGTH = 100
SHOWN_LENGTH = 80
CUT_MARK = "\0"


class Frequencies(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counters by key; `hashes` holds the smallest hashes seen once counters were dropped, else it is empty."""

    counts: dict[str, int]
    error: int = 0
    hashes: list[int] = []

    @property
    def exact(self) -> bool:
        return not self.hashes

    @property
    def distinct(self) -> int:
        if self.exact:
            return len(self.counts)
        if len(self.hashes) < HASHES:
            return len(self.hashes)
        return round((HASHES - 1) * 2**64 / max(self.hashes))

    def top(self, size: int) -> list[tuple[str, int]]:
        """The most frequent (value, count), ties by value; none when all occur once, or none stands out for sure."""
        floor = self.error if not self.exact else (1 if len(self.counts) > 1 else 0)
        best = heapq.nsmallest(size, self.counts.items(), key=lambda item: (-item[1], item[0]))
        if best and best[0][1] <= floor:
            return []
        return [(shown(key), count) for key, count in best if self.exact or count > floor]


def key_of(value: str) -> str:
    """A value as a key of bounded length; long ones are cut and told apart by a digest."""
    if len(value) <= KEY_LENGTH:
        return value
    return f"{value[:SHOWN_LENGTH]}{CUT_MARK}{blake2b(value.encode(), digest_size=8).hexdigest()}"


def shown(key: str) -> str:
    """A key for people: on one line, cut values ending in an ellipsis."""
    value, cut, _ = key.partition(CUT_MARK)
    text = " ".join(value.split())
    return f"{text}…" if cut else text


def union(parts: Iterable[Frequencies], limit: int) -> Frequencies:
    """One summary of all parts, with at most `limit` counters (at least HASHES)."""
    counts: dict[str, int] = {}
    error, hashes = 0, set[int]()
    for part in parts:
        if part.hashes or hashes:
            hashes = _smallest(hashes.union(part.hashes, map(_hash, part.counts)) | (set() if hashes else _all(counts)))
        error += part.error
        for key, count in part.counts.items():
            counts[key] = counts.get(key, 0) + count
        if len(counts) > 2 * limit:
            hashes = hashes or _smallest(_all(counts))
            counts, dropped = _reduced(counts, limit)
            error += dropped
    if len(counts) > limit:
        hashes = hashes or _smallest(_all(counts))
        counts, dropped = _reduced(counts, limit)
        error += dropped
    return Frequencies(counts, error, sorted(hashes))


def _reduced(counts: dict[str, int], limit: int) -> tuple[dict[str, int], int]:
    """Take the (limit + 1)th largest count off every counter and drop those that it empties."""
    excess = sorted(counts.values(), reverse=True)[limit]
    return {key: count - excess for key, count in counts.items() if count > excess}, excess


def _all(counts: dict[str, int]) -> set[int]:
    return set(map(_hash, counts))


def _smallest(hashes: set[int]) -> set[int]:
    return set(heapq.nsmallest(HASHES, hashes))


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
