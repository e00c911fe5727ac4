"""The parts of a running channel, put together once and handed to every door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local.channel import faults, limits
from local.channel.account import Account
from local.channel.auth import Authority
from local.channel.bot_client import BotClient
from local.channel.database import Database
from local.channel.errors import conversation_not_found
from local.channel.faults import Faults
from local.channel.identity import Identity
from local.channel.limits import Limits
from local.channel.store import Conversation, Store
from local.channel.tokens import Tokens
from local.channel.transcript import Transcript
from local.channel.turns import Turns
from local.channel.wire_log import WireLog

DEFAULT_SECRET = "local-direct-line-secret"  # noqa: S105  it guards a channel on this machine only
DEFAULT_APP_ID = "00000000-0000-4000-8000-000000000b07"
DEFAULT_APP_PASSWORD = "local-app-password"  # noqa: S105  likewise
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Options:
    """`public_url` is where the bot and clients reach the channel, without a trailing slash."""

    bot: str
    public_url: str
    state: Path
    secret: str = DEFAULT_SECRET
    webchat: Path | None = None
    bot_id: str = "bot"
    bot_name: str = "Bot"
    auth: bool = False
    app_id: str = DEFAULT_APP_ID
    app_password: str = DEFAULT_APP_PASSWORD
    outbox: str = ""
    limits: bool = False
    limit: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Channel:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.database = Database(options.state)
        self.store = Store(self.database)
        self.tokens = Tokens(self.database.kept("token-key"), options.secret)
        self.identity = Identity(options.public_url, options.bot_id, options.bot_name)
        self.account = Account(self.database)
        self.limits = Limits()
        for spec in options.limit:
            self.limits.change(limits.parse(spec))
        self.limits.enabled = options.limits or bool(options.limit)
        self.faults = Faults(self.database)
        for spec in options.faults:
            self.faults.demand(faults.parse(spec), keep=False)
        self.authority: Authority | None = None
        if options.auth:
            self.authority = Authority(self.database, options.app_id, options.app_password, options.public_url)
        self.transcript = Transcript(self.store)
        self.wire_log = WireLog()
        self.bot = BotClient(options.bot, self.wire_log, self.authority.towards_bot if self.authority else None)
        self.turns = Turns(
            self.store, self.transcript, self.bot, self.identity, faults=self.faults, account=self.account
        )

    def conversation(self, conversation_id: str) -> Conversation:
        found = self.store.conversation(conversation_id)
        if found is None:
            raise conversation_not_found(conversation_id)
        return found

    async def close(self) -> None:
        await self.turns.close()
        await self.bot.close()
        self.transcript.close()
        self.database.close()


CHANNEL: web.AppKey[Channel] = web.AppKey("channel", Channel)
