"""The senders of this process: one registration for each channel."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ringback.channels.address import Recipient
from ringback.channels.connector import ConnectorSender
from ringback.channels.port import Sender
from ringback.channels.tokens import token_source
from ringback.delivery.reference import Reference
from ringback.errors import ConfigurationError
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


# How each kind of recipient is reached: what makes the sender, which raises ConfigurationError where it cannot.
CHANNELS: dict[str, Callable[[Settings], Sender]] = {
    "bot": _bot,
    "sms": _sms,
    "email": _email,
}


def kind_of(recipient: Recipient) -> str:
    """The name under which a recipient's channel is registered."""
    return "bot" if isinstance(recipient, Reference) else recipient.kind


@lru_cache(maxsize=16)
def sender(kind: str) -> Sender:
    """The process's sender for a kind of recipient; raises ConfigurationError naming the setting that is missing."""
    if kind not in CHANNELS:
        raise ConfigurationError(f"There is no channel {kind!r}: there are {', '.join(CHANNELS)}.")
    return CHANNELS[kind](settings())


def sender_for(recipient: Recipient) -> Sender:
    """The sender that reaches this recipient; raises ConfigurationError."""
    return sender(kind_of(recipient))


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
