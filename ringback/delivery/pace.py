"""When a message may go out, by limits of so many in so many seconds: arithmetic only, no clock and no table.

A limit holds over every stretch of time, wherever it begins. Slots are given out in the order of time; what is used a
little late still keeps the limits, because every window is reckoned longer by MARGIN than the channel's.
"""

from __future__ import annotations

import msgspec

from ringback.errors import ConfigurationError

# Between a slot's time and the message's arrival lie our writes, the way there, and the difference of two clocks.
MARGIN = 0.3
# A slot that is older than this when the message is ready is not used any more.
LATE = 0.2
# Of longer windows only counts are kept, each over a sixtieth of the window.
EXACT = 100
PARTS = 60


class Window(msgspec.Struct, frozen=True):
    """At most `count` messages in any `seconds`."""

    count: int
    seconds: float

    @property
    def part(self) -> float:
        """Seconds that one kept count stands for."""
        return self.seconds / PARTS


class Record(msgspec.Struct, kw_only=True):
    """What one key has sent and reserved: times in seconds since 1970, ascending, and counts for long windows.

    `parts` holds, for each long window, [number of the part, count] in ascending order.
    """

    recent: list[float] = msgspec.field(default_factory=list)
    parts: list[list[list[int]]] = msgspec.field(default_factory=list)


def parse_windows(text: str, name: str) -> tuple[Window, ...]:
    """`50/1` or `7/1,8/2`: messages / seconds; `off` or nothing for no limit. ConfigurationError names the setting."""
    if text.strip().lower() in {"", "off"}:
        return ()
    try:
        pairs = [part.split("/") for part in text.split(",")]
        windows = tuple(Window(int(count), float(seconds)) for count, seconds in pairs)
    except ValueError:
        windows = ()
    if not windows or any(window.count < 1 or not 0 < window.seconds <= 86_400 for window in windows):
        fix = "give messages/seconds, such as 7/1,8/2,60/30, or off"
        raise ConfigurationError(f"{name} is {text!r}: {fix}.")
    return tuple(sorted(windows, key=lambda window: window.seconds))


def earliest(record: Record, windows: tuple[Window, ...], now: float) -> float:
    """The first moment, from `now` on, at which one more message keeps all limits."""
    exact, long = _split(windows)
    at = max(now, record.recent[-1]) if record.recent else now
    for window in exact:
        if len(record.recent) >= window.count:
            at = max(at, record.recent[-window.count] + window.seconds + MARGIN)
    for window, counts in zip(long, record.parts, strict=False):
        at = max(at, _free(window, counts, at))
    return at


def reserve(record: Record, windows: tuple[Window, ...], at: float) -> None:
    """Enter one message at a time that `earliest` gave, and forget what no window reaches any more."""
    exact, long = _split(windows)
    record.recent.append(at)
    if exact:
        oldest = at - exact[-1].seconds - MARGIN
        most = max(window.count for window in exact)
        record.recent = [time for time in record.recent[-most:] if time > oldest]
    else:
        record.recent = record.recent[-1:]
    record.parts = [*record.parts, *([] for _ in long)][: len(long)]
    for window, counts in zip(long, record.parts, strict=True):
        number = int(at // window.part)
        if counts and counts[-1][0] == number:
            counts[-1][1] += 1
        else:
            counts.append([number, 1])
        counts[:] = [entry for entry in counts if entry[0] >= number - PARTS - 1]


def forget_after(record: Record, windows: tuple[Window, ...], latest: float) -> None:
    """Forget what was reserved for later than this: by a clock that went wrong, else all would wait for it."""
    record.recent = [at for at in record.recent if at <= latest]
    for window, counts in zip(_split(windows)[1], record.parts, strict=False):
        counts[:] = [entry for entry in counts if entry[0] * window.part <= latest]


def _free(window: Window, counts: list[list[int]], at: float) -> float:
    """A part counts whole until its end has left the window."""
    total = sum(count for _, count in counts)
    for number, count in counts:
        leaves = (number + 1) * window.part + window.seconds + MARGIN
        if leaves <= at:
            total -= count
        elif total >= window.count:
            at, total = leaves, total - count
        else:
            break
    return at


def _split(windows: tuple[Window, ...]) -> tuple[list[Window], list[Window]]:
    exact = [window for window in windows if window.count <= EXACT]
    return exact, [window for window in windows if window.count > EXACT]
