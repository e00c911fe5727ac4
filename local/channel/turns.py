"""Turns: what users do, told to the bot in the order and shape of the Bot Service."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from weakref import WeakValueDictionary

from local.channel.account import DROPPED, Account
from local.channel.bot_client import TURN_SECONDS, BotClient
from local.channel.errors import BotRepliesError, BotUnreachableError, ChannelError
from local.channel.faults import Faults
from local.channel.identity import Identity
from local.channel.mentions import reaches_bot, with_mention
from local.channel.replies import Replies
from local.channel.store import Activity, Conversation, Member, Store
from local.channel.transcript import Transcript, passing_id

# A page opened while the bot starts is greeted as soon as it is up.
ANNOUNCE_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
logger = logging.getLogger("local.channel")


class Turns:
    def __init__(
        self,
        store: Store,
        transcript: Transcript,
        bot: BotClient,
        identity: Identity,
        *,
        faults: Faults,
        account: Account,
    ) -> None:
        self.store = store
        self.replies = Replies(account, transcript, identity)
        self.faults = faults
        self.transcript = transcript
        self.bot = bot
        self.identity = identity
        # Ids that no log keeps, and that the bot may ask about nevertheless.
        self.told: deque[str] = deque(maxlen=1000)
        # A lock is there as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def started(self, conversation: Conversation) -> None:
        """Tell the bot of a new conversation, without making its starter wait."""
        task = asyncio.get_running_loop().create_task(self._announce_start(conversation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def user_activity(self, conversation: Conversation, activity: Activity, sender: Member) -> str:
        """Take a user's activity to the bot, then show it; returns its id. Raises 502 or 504 when the bot fails."""
        deadline = asyncio.get_running_loop().time() + TURN_SECONDS
        sender = self.store.join(conversation.id, sender)
        if not conversation.user_id:
            conversation = self.store.conversation(conversation.id) or conversation
        bot = self.identity.bot(conversation.channel_id)
        activity = with_mention(conversation, activity, bot)
        activity_id = self.store.next_activity_id(conversation.id)
        shown = {**activity, **self.identity.shown(conversation, sender, activity), "id": activity_id}
        await self._announce(conversation, deadline)
        if not reaches_bot(conversation, activity, bot):
            self.transcript.echo(conversation, shown)
            return activity_id
        with self.transcript.turn(conversation.id):
            told = {**shown, **self.identity.addressed(conversation, activity)}
            replies = await self._post(conversation, told, deadline)
            with self.store.database.transaction():
                self.transcript.echo(conversation, shown)
                self.replies.keep(conversation, replies)
                self.transcript.settle(conversation.id)
        return activity_id

    async def _announce_start(self, conversation: Conversation) -> None:
        """A bot that is not up yet is told when it is; at the latest before the first activity."""
        for pause in ANNOUNCE_PAUSES:
            try:
                await self._announce(conversation, asyncio.get_running_loop().time() + TURN_SECONDS)
            except ChannelError as error:
                logger.warning("conversationUpdate of %s: %s", conversation.id, error.message)
            else:
                return
            await asyncio.sleep(pause)

    async def _announce(self, conversation: Conversation, deadline: float) -> None:
        """Tell the bot of members it has not heard of. One at a time, so that no activity overtakes its member."""
        if not self.store.unannounced(conversation.id):
            return
        lock = self._locks.setdefault(conversation.id, asyncio.Lock())
        async with lock:
            members = self.store.unannounced(conversation.id)
            if members:
                for update in self.identity.arrivals(conversation, members):
                    update["id"] = passing_id()
                    self.told.append(update["id"])
                    await self._tell(conversation, update, deadline)
                self.store.announced(conversation.id, members)

    async def _tell(self, conversation: Conversation, update: Activity, deadline: float) -> None:
        """A bot that heard of its members and failed is not told again; one that was not there is."""
        try:
            await self._post(conversation, update, deadline)
        except BotUnreachableError:
            raise
        except ChannelError as error:
            logger.warning("%s in %s: %s", update["type"], conversation.id, error.message)

    async def _post(self, conversation: Conversation, activity: Activity, deadline: float) -> list[Activity]:
        """Post it once, or by a fault twice, as the Bot Service does when it missed the first answer."""
        loop = asyncio.get_running_loop()
        fault = self.faults.choose("turn", conversation.id, (conversation.user_id, activity["from"]["id"]))
        if fault and fault.delay:
            await asyncio.sleep(min(fault.delay, max(deadline - loop.time(), 0)))
        replies = await self._answer(conversation, activity, deadline - loop.time())
        if fault and fault.twice:
            self.replies.missed(conversation, replies, DROPPED, fault.id)
            replies = await self._answer(conversation, activity, deadline - loop.time())
        if fault and fault.status:
            self.replies.missed(conversation, replies, fault.status, fault.id)
            raise ChannelError(fault.status, fault.code or "ServiceError", fault.message)
        return replies

    async def _answer(self, conversation: Conversation, activity: Activity, seconds: float) -> list[Activity]:
        try:
            return await self.bot.post(activity, seconds)
        except BotRepliesError as error:
            self.replies.missed(conversation, error.replies, error.status)
            raise
