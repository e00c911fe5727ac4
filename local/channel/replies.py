"""Replies that come as the answer of a turn (deliveryMode expectReplies): they are sends of the bot as well."""

from __future__ import annotations

from collections.abc import Sequence

from local.channel.account import Account, Addressee
from local.channel.identity import Identity
from local.channel.store import Activity, Conversation
from local.channel.transcript import Transcript
from local.channel.wire import now


class Replies:
    def __init__(self, account: Account, transcript: Transcript, identity: Identity) -> None:
        self._account = account
        self._transcript = transcript
        self._identity = identity

    def keep(self, conversation: Conversation, replies: list[Activity]) -> None:
        """Show them: the bot, whose answer was taken, counts on it."""
        sends = self._asked(conversation, replies)
        for send, reply in zip(sends, replies, strict=True):
            dressed = {**reply, "timestamp": now(), **self._identity.from_bot(conversation, reply)}
            dressed.pop("id", None)
            self._transcript.from_bot(conversation, dressed, send)
        self._account.answered(sends, 200)

    def missed(
        self, conversation: Conversation, replies: Sequence[Activity | None], status: int, fault: str = ""
    ) -> None:
        """Enter into the account what nobody will see: a fault threw the answer away, or it is malformed."""
        self._account.answered(self._asked(conversation, replies), status, fault)

    def _asked(self, conversation: Conversation, replies: Sequence[Activity | None]) -> list[int]:
        addressee = Addressee(conversation.channel_id, conversation.tenant_id, conversation.user_id)
        return self._account.asked("reply", conversation.id, addressee, replies) if replies else []
