"""The one limit on how large a message is, counted as Teams counts: the UTF-16 of the whole JSON that is sent.

The API, the templates and the sender ask here, so that what one of them takes is not refused by the next.
"""

from __future__ import annotations

from typing import Any

import msgspec

# Teams refuses near 100 KB, which Microsoft calls an estimate:
# https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages
LARGEST = 80 * 1024
# The code that Teams has for it, and ours when Teams is not asked.
TOO_BIG = "MessageSizeTooBig"


def of(message: Any) -> int:
    """The size of a message, or of a part of one."""
    return of_json(msgspec.json.encode(message))


def of_json(body: bytes) -> int:
    """The size of what was written as JSON."""
    return len(body.decode().encode("utf-16-le"))


def problem(size: int) -> str:
    """What is wrong with a message of this size; empty when it is not over the limit."""
    return f"The message has {size} bytes of UTF-16; {LARGEST} is the most: shorten it." if size > LARGEST else ""


def problem_of_json(body: bytes) -> str:
    """The same of what was written as JSON."""
    # Most are small, and no byte of UTF-8 becomes more than two of UTF-16.
    return problem(of_json(body)) if 2 * len(body) > LARGEST else ""
