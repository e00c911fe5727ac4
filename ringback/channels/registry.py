"""The senders of this process: one registration for each channel."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ringback.channels.address import Address, email, phone
from ringback.channels.connector import ConnectorSender
from ringback.channels.port import Sender
from ringback.channels.tokens import token_source
from ringback.errors import ConfigurationError, RequestError
from ringback.settings import Settings, settings


def _bot(config: Settings) -> Sender:
    return ConnectorSender(config, token_source(config.bot))


def _sms(config: Settings) -> Sender:
    from ringback.channels.sms import SmsSender  # noqa: PLC0415  loads azure.core

    return SmsSender(config)


def _email(config: Settings) -> Sender:
    if config.messaging.smtp_host:
        from ringback.channels.email_smtp import SmtpEmailSender  # noqa: PLC0415  only one of the two is used

        return SmtpEmailSender(config)
    from ringback.channels.email_acs import AcsEmailSender  # noqa: PLC0415  loads azure.core

    return AcsEmailSender(config)


class Channel(NamedTuple):
    """How one kind of recipient is reached.

    `sender` makes who sends, or raises ConfigurationError naming the setting that is missing. `address` makes a checked
    address of a text and the person's name, or raises RequestError; None where nobody registers addresses.
    """

    sender: Callable[[Settings], Sender]
    address: Callable[[str, str | None], Address] | None = None


CHANNELS = {
    "bot": Channel(_bot),
    "sms": Channel(_sms, phone),
    "email": Channel(_email, email),
}


@lru_cache(maxsize=16)
def sender(kind: str) -> Sender:
    """The process's sender for a kind of recipient; raises ConfigurationError naming the setting that is missing."""
    if kind not in CHANNELS:
        raise ConfigurationError(f"There is no channel {kind!r}: there are {', '.join(CHANNELS)}.")
    return CHANNELS[kind].sender(settings())


def address(kind: str, text: str, name: str | None) -> Address:
    """A person's address for a kind of channel; raises RequestError naming the field at fault."""
    check = CHANNELS[kind].address if kind in CHANNELS else None
    field = f"addresses.{kind}"
    if check is None:
        known = ", ".join(kind for kind, channel in CHANNELS.items() if channel.address)
        raise RequestError(f"There is no channel {kind[:40]!r} with addresses: there are {known}.", field=field)
    try:
        return check(text, name)
    except RequestError as error:
        raise RequestError(str(error), field=field) from None


def problem(kind: str) -> str:
    """Why a kind of recipient cannot be reached with these settings; empty when it can."""
    try:
        sender(kind)
    except ConfigurationError as error:
        return str(error)
    return ""


def connector_sender() -> Sender:
    """The Bot Connector, with the process's one token cache."""
    return sender("bot")
