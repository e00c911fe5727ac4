from __future__ import annotations

import subprocess
import sys

import pytest

from ringback.channels import registry
from ringback.channels.address import Address
from ringback.channels.connector import ConnectorSender
from ringback.channels.email_acs import AcsEmailSender
from ringback.channels.email_smtp import SmtpEmailSender
from ringback.channels.port import Outcome
from ringback.channels.sms import SmsSender
from ringback.channels.tokens import Anonymous
from ringback.errors import ConfigurationError
from tests.unit.app.stand_ins import make_settings

ACS = {"ACS_CONNECTION_STRING": "endpoint=https://x.communication.azure.com/;accesskey=YQ=="}
NUMBER, MAILBOX = Address(kind="sms", value="+4915112345678"), Address(kind="email", value="ann@example.org")


@pytest.fixture
def given(monkeypatch):
    def give(**environ: str) -> None:
        found = make_settings(**environ)
        monkeypatch.setattr(registry, "settings", lambda: found)
        registry.sender.cache_clear()

    yield give
    registry.sender.cache_clear()


def test_each_kind_of_recipient_has_its_sender(given):
    given(**ACS, SMS_FROM="+18005551234", EMAIL_FROM="a@example.org")

    assert isinstance(registry.sender("bot"), ConnectorSender)
    assert isinstance(registry.sender("sms"), SmsSender)
    assert isinstance(registry.sender("email"), AcsEmailSender)
    assert registry.sender("sms") is registry.sender("sms")
    assert registry.connector_sender() is registry.sender("bot")


def test_a_mail_server_takes_the_mail(given):
    given(**ACS, EMAIL_FROM="a@example.org", SMTP_HOST="mail.example.org")
    assert isinstance(registry.sender("email"), SmtpEmailSender)


@pytest.mark.parametrize(
    ("environ", "kind", "setting"),
    [
        ({}, "sms", "ACS_CONNECTION_STRING"),
        (ACS, "sms", "SMS_FROM"),
        ({**ACS, "SMS_FROM": "+1"}, "sms", "SMS_FROM"),
        ({}, "email", "ACS_CONNECTION_STRING"),
        (ACS, "email", "EMAIL_FROM"),
        ({"SMTP_HOST": "mail.example.org"}, "email", "EMAIL_FROM"),
        ({}, "fax", "bot, sms, email"),
    ],
)
def test_what_is_missing_is_named(given, environ, kind, setting):
    given(**environ)
    with pytest.raises(ConfigurationError, match=setting):
        registry.sender(kind)
    assert setting in registry.problem(kind)


def test_what_is_there_has_no_problem(given):
    given(**ACS, SMS_FROM="RINGBACK")
    assert registry.problem("sms") == registry.problem("bot") == ""


async def test_the_bot_channel_refuses_other_recipients():
    sender = ConnectorSender(make_settings(BOT_ALLOW_ANONYMOUS="true"), Anonymous())
    for result in (
        await sender.send(NUMBER, {"text": "x"}),
        await sender.update(MAILBOX, "1", {"text": "x"}),
        await sender.delete(MAILBOX, "1"),
    ):
        assert (result.outcome, result.code) == (Outcome.PERMANENT, "WrongRecipient")


def test_the_registry_loads_no_channel_before_it_is_used():
    code = "import sys, ringback.channels.registry; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("azure.communication", "azure.core", "azure.identity", "aiosmtplib", "phonenumbers")
    assert not [name for name in loaded if name.startswith(heavy)]
