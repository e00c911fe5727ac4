"""What the clients of a conversation see, and when: the log's order, wake-ups of open streams, typing."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from local.channel.account import passes
from local.channel.store import Activity, Conversation, Store

# A reply sent within a turn waits this long for the question's echo, so that a client reads them in their order.
HOLD_SECONDS = 0.5


def passing_id() -> str:
    """An id for what no log keeps; ids that count are for what clients see."""
    return secrets.token_urlsafe(9)


class Listener:
    """One open stream: woken when the log grew; whispers are what no log keeps (typing)."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.whispers: deque[Activity] = deque(maxlen=16)


class Transcript:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._listeners: dict[str, set[Listener]] = {}
        self._turns: Counter[str] = Counter()
        self._held: dict[str, asyncio.TimerHandle] = {}
        store.release_all()

    @contextmanager
    def listening(self, conversation_id: str) -> Iterator[Listener]:
        listener = Listener()
        self._listeners.setdefault(conversation_id, set()).add(listener)
        try:
            yield listener
        finally:
            remaining = self._listeners[conversation_id]
            remaining.discard(listener)
            if not remaining:
                del self._listeners[conversation_id]

    def close(self) -> None:
        for timer in self._held.values():
            timer.cancel()

    @property
    def listener_count(self) -> int:
        return sum(len(listeners) for listeners in self._listeners.values())

    @contextmanager
    def turn(self, conversation_id: str) -> Iterator[None]:
        """While a user's activity is with the bot, what the bot says is held for its echo, at most HOLD_SECONDS."""
        self._turns[conversation_id] += 1
        try:
            yield
        finally:
            self._turns[conversation_id] -= 1
            if not self._turns[conversation_id]:
                del self._turns[conversation_id]
                self._release(conversation_id)

    def from_bot(self, conversation: Conversation, activity: Activity, send: int = 0) -> str:
        """Keep and show what the bot sent; returns its id. `send` is the account's number of it.

        It is in the database when this returns, or when the transaction ends that this is called in.
        """
        if passes(activity):
            activity_id = passing_id()
            if activity["type"] == "typing":
                self._whisper(conversation.id, {**activity, "id": activity_id})
            return activity_id
        hold = conversation.id in self._turns
        if not hold:
            self._release(conversation.id)
        activity_id = self.store.append(conversation.id, activity, "bot", hold=hold, send=send)
        if hold:
            self._hold(conversation.id)
        else:
            self._wake(conversation.id)
        return activity_id

    def echo(self, conversation: Conversation, activity: Activity) -> None:
        """Show a user's activity that the bot has taken."""
        if not passes(activity):
            self.store.append(conversation.id, activity, "user")
            self._wake(conversation.id)

    def settle(self, conversation_id: str) -> None:
        """What was held for an echo follows it in the transaction of this call, unless another turn is under way."""
        if conversation_id in self._held and self._turns[conversation_id] == 1:
            self.store.release(conversation_id)

    def replace(self, conversation: Conversation, activity: Activity) -> None:
        """Show the new text of an activity that the bot changed; a client replaces what has the same id."""
        self._release(conversation.id)
        self.store.append(conversation.id, activity, "bot")
        self._wake(conversation.id)

    def remove(self, conversation: Conversation, notice: Activity) -> None:
        """Forget an activity and tell the clients that saw it; `notice` carries its id."""
        with self.store.database.transaction():
            self.store.forget(conversation.id, notice["id"])
            self.replace(conversation, notice)

    def _hold(self, conversation_id: str) -> None:
        if conversation_id not in self._held:
            loop = asyncio.get_running_loop()
            self._held[conversation_id] = loop.call_later(HOLD_SECONDS, self._release, conversation_id)

    def _release(self, conversation_id: str) -> None:
        timer = self._held.get(conversation_id)
        if timer:
            # Where it fails, as on a full disk, what is held is still known and goes out with the next activity; where
            # a transaction may yet undo it, with the timer.
            self.store.release(conversation_id)
            if not self.store.database.connection.in_transaction:
                timer.cancel()
                del self._held[conversation_id]
            self._wake(conversation_id)

    def _wake(self, conversation_id: str) -> None:
        for listener in self._listeners.get(conversation_id, ()):
            listener.woken.set()

    def _whisper(self, conversation_id: str, activity: Activity) -> None:
        for listener in self._listeners.get(conversation_id, ()):
            listener.whispers.append(activity)
            listener.woken.set()
