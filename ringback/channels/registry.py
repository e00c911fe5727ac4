"""The senders of this process."""

from __future__ import annotations

from functools import lru_cache

from ringback.channels.connector import ConnectorSender
from ringback.channels.port import Sender
from ringback.channels.tokens import token_source
from ringback.settings import settings


@lru_cache(maxsize=1)
def connector_sender() -> Sender:
    """The Bot Connector, with the process's one token cache."""
    config = settings()
    return ConnectorSender(config, token_source(config.bot))
