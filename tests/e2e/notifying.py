"""What the tests of notifications share: sending one, waiting for its end, and faults of the channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.e2e.directline import Chat, request, text_of
from tests.e2e.stack import Stack

FINAL = {"delivered", "failed", "suppressed", "ambiguous", "cancelled"}
# The channel's own: it reaches any conversation.
SECRET = {"Authorization": "Bearer local-direct-line-secret"}
CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Your parcel"}]}


def soon(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


def ask(chat: Chat, **fields: Any) -> dict[str, Any]:
    return {"to": {"userId": f"directline:{chat.user}"}, "category": "orders", **fields}


def notify(stack: Stack, chat: Chat, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    return stack.api("POST", "notifications", ask(chat, **fields), **headers)


def ended(stack: Stack, identity: str, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while True:
        found = stack.api("GET", f"notifications/{identity}")
        if found["status"] in FINAL:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def fault(stack: Stack, chat: Chat, preset: str, **fields: Any) -> str:
    body = {"preset": preset, "conversation": chat.id, **fields}
    return request("POST", f"{stack.channel}/admin/faults", body)["id"]


def told(chat: Chat, words: str) -> int:
    chat.poll()
    return sum(words in text_of(activity) for activity in chat.seen)


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
