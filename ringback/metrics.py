"""What this process has counted since it began: no table, no library, and nothing that a sender would notice.

Each process counts for itself: an app on several instances is the sum of what each of them tells.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from ringback import ids

log = logging.getLogger(__name__)
STARTED = time.time()
INSTANCE = ids.random_id(8)
# A line in the log at each so many counts, and no more often than this; none while nothing happens.
LOG_COUNTS, LOG_SECONDS = 1_000, 60.0


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A counter with its labels, as it is told outside."""

    help: str
    labels: tuple[str, ...]


FAMILIES: dict[str, Family] = {
    "deliveries": Family(help="Deliveries that ended here, by the status they ended with.", labels=("status",)),
    "attempts": Family(help="Tries to send, by channel and by what became of them.", labels=("channel", "outcome")),
    "ambiguous": Family(help="Tries after which a message may have arrived unknown to us.", labels=("channel",)),
    "presses": Family(
        help="Presses of buttons of delivered cards; custom for all but view and dismiss.", labels=("action",)
    ),
    "removed": Family(help="What was removed for its age, by kind.", labels=("kind",)),
}


class Metrics:
    """Counters by family and label values."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in FAMILIES}
        self._unlogged = 0
        self._logged_at = clock()

    def count(self, family: str, *values: str) -> None:
        """One more; the values are those of the family's labels, in their order."""
        self.add(family, 1, *values)

    def add(self, family: str, number: int, *values: str) -> None:
        """So many more."""
        with self._lock:
            self._counts[family][values] += number
            self._unlogged += number
            if self._unlogged < LOG_COUNTS or self._clock() - self._logged_at < LOG_SECONDS:
                return
            self._unlogged, self._logged_at = 0, self._clock()
        log.info("metrics %s", msgspec.json.encode({"instance": INSTANCE, "pid": os.getpid(), **self.told()}).decode())

    def counts(self) -> dict[str, dict[tuple[str, ...], int]]:
        """Every counter that was counted, by family and label values."""
        with self._lock:
            return {name: dict(counter) for name, counter in self._counts.items()}

    def told(self) -> dict[str, dict[str, int]]:
        """The same with the values as one text each, such as `bot/delivered`."""
        return {
            name: {"/".join(values): number for values, number in found.items()}
            for name, found in self.counts().items()
        }


_process = Metrics()
count = _process.count
add = _process.add
counts = _process.counts
told = _process.told


def uptime() -> float:
    """Seconds since this process began to count."""
    return max(0.0, time.time() - STARTED)


def exposition(counters: Mapping[str, Mapping[tuple[str, ...], int]], cache: Mapping[str, float]) -> str:
    """All of it in Prometheus' text format, version 0.0.4; `cache` is what `cache_metrics` tells."""
    lines: list[str] = []
    for name, family in FAMILIES.items():
        full = f"ringback_{name}_total"
        lines += _head(full, family.help, "counter")
        for values, number in sorted(counters.get(name, {}).items()):
            labels = ",".join(
                f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, values, strict=True)
            )
            lines.append(f"{full}{{{labels}}} {number}")
    for full, help_text, kind, value in (
        ("ringback_reference_cache_hits_total", "Addresses that the senders had at hand.", "counter", cache["hits"]),
        ("ringback_reference_cache_misses_total", "Addresses read from the table.", "counter", cache["misses"]),
        ("ringback_reference_cache_entries", "Addresses at hand now.", "gauge", cache["size"]),
        ("ringback_reference_cache_hit_ratio", "Hits among all look-ups, 0 to 1.", "gauge", cache["hitRate"]),
        ("process_start_time_seconds", "When this process began, in Unix time.", "gauge", round(STARTED, 3)),
        ("ringback_uptime_seconds", "Seconds since then.", "gauge", round(uptime(), 3)),
    ):
        lines += [*_head(full, help_text, kind), f"{full} {value}"]
    return "\n".join(lines) + "\n"


def _head(name: str, help_text: str, kind: str) -> list[str]:
    text = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
