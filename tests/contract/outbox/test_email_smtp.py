from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import aiosmtplib
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ringback.channels import email_smtp
from ringback.channels.address import Address
from ringback.channels.email_smtp import SmtpEmailSender
from ringback.channels.port import Once, Outcome, Reaction
from ringback.errors import ConfigurationError
from tests.contract.outbox.conftest import MAILBOX, NUMBER

ANN = Address(kind="email", value=MAILBOX, name="Ann Ä")
MAIL = {"subject": "Grüße 🎉", "text": "It is on its way.\n.dots\n" + "long " * 300, "html": "<p>Grüße</p>"}
FIRST = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)


@pytest.fixture
async def sender(stand_in):
    made = SmtpEmailSender(stand_in.smtp(SMTP_USER="ringback", SMTP_PASSWORD="secret"))
    yield made
    await made.close()


async def test_an_email_arrives_in_both_forms(stand_in, sender):
    result = await sender.send(ANN, {**MAIL, "headers": {"List-Unsubscribe": "<https://example.org/u>"}})

    assert (result.outcome, result.status) == (Outcome.DELIVERED, 250)
    (kept,) = await stand_in.messages(to=MAILBOX)
    assert (kept["service"], kept["from"], kept["subject"]) == ("smtp", "hello@example.org", MAIL["subject"])
    assert (kept["text"], kept["html"]) == (MAIL["text"].rstrip("\n"), MAIL["html"])
    headers = kept["headers"]
    assert headers["From"] == "Ringback <hello@example.org>"
    assert headers["To"] == "Ann Ä <ann@example.org>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["List-Unsubscribe"] == "<https://example.org/u>"
    assert headers["Content-Type"].startswith("multipart/alternative")
    assert result.activity_id == headers["Message-ID"]


async def test_a_text_alone_is_one_part(stand_in, sender):
    await sender.send(ANN, {"text": "hello"})
    (kept,) = await stand_in.messages()
    assert (kept["subject"], kept["html"]) == ("hello", "")
    assert kept["headers"]["Content-Type"].startswith("text/plain")


async def test_a_repeated_attempt_has_the_same_message_id(stand_in, sender):
    await stand_in.fault("smtp", drop=True, taken=True, times=1)
    once = Once(key="d1/1", first_sent=FIRST)
    lost = await sender.send(ANN, MAIL, once=once)
    again = await sender.send(ANN, MAIL, once=once)

    assert (lost.outcome, lost.code) == (Outcome.AMBIGUOUS, "NoAnswer")
    assert again.outcome is Outcome.DELIVERED
    assert {kept["messageId"] for kept in await stand_in.messages()} == {again.activity_id}


@pytest.mark.parametrize(
    ("fault", "outcome", "reaction", "code"),
    [
        ({"at": "connect", "status": 421, "message": "4.3.2 Later"}, Outcome.RETRY, Reaction.NONE, "421 4.3.2"),
        ({"at": "connect", "status": 554}, Outcome.PERMANENT, Reaction.NONE, "554 5.0.0"),
        ({"at": "connect", "drop": True}, Outcome.RETRY, Reaction.NONE, "NotConnected"),
        ({"at": "auth", "status": 535, "message": "5.7.8 No"}, Outcome.PERMANENT, Reaction.OPERATOR, "535 5.7.8"),
        ({"at": "auth", "status": 454, "message": "4.7.0 Later"}, Outcome.RETRY, Reaction.NONE, "454 4.7.0"),
        ({"at": "mail", "status": 550}, Outcome.PERMANENT, Reaction.OPERATOR, "550 5.0.0"),
        ({"at": "mail", "status": 451}, Outcome.RETRY, Reaction.NONE, "451 4.0.0"),
        ({"at": "mail", "drop": True}, Outcome.RETRY, Reaction.NONE, "NotConnected"),
        ({"at": "rcpt", "status": 550, "message": "5.1.1 Who?"}, Outcome.PERMANENT, Reaction.CONFIRM_GONE, "550 5.1.1"),
        ({"at": "rcpt", "status": 550, "message": "5.7.1 Spam"}, Outcome.PERMANENT, Reaction.NONE, "550 5.7.1"),
        ({"at": "rcpt", "status": 452, "message": "4.2.2 Full"}, Outcome.RETRY, Reaction.NONE, "452 4.2.2"),
        ({"at": "rcpt", "status": 552, "message": "5.2.2 Full"}, Outcome.RETRY, Reaction.NONE, "552 5.2.2"),
        ({"at": "data", "status": 554, "message": "no words"}, Outcome.PERMANENT, Reaction.NONE, "554"),
        ({"at": "data", "status": 552, "message": "5.3.4 Big"}, Outcome.PERMANENT, Reaction.NONE, "552 5.3.4"),
        ({"at": "data", "status": 421}, Outcome.RETRY, Reaction.NONE, "421 4.0.0"),
        ({"at": "data", "drop": True}, Outcome.AMBIGUOUS, Reaction.NONE, "NoAnswer"),
    ],
)
async def test_a_reply_is_judged(stand_in, sender, fault, outcome, reaction, code):
    await stand_in.fault("smtp", **fault)
    result = await sender.send(ANN, MAIL)

    assert (result.outcome, result.reaction, result.code) == (outcome, reaction, code)
    assert await stand_in.messages() == []
    await stand_in.heal()
    assert (await sender.send(ANN, MAIL)).outcome is Outcome.DELIVERED


async def test_a_mailbox_that_is_not_there(stand_in, sender):
    await stand_in.refuse(MAILBOX)
    result = await sender.send(ANN, MAIL)
    assert (result.outcome, result.reaction) == (Outcome.PERMANENT, Reaction.CONFIRM_GONE)


async def test_a_kept_connection_that_the_server_dropped_is_replaced(stand_in, sender):
    await sender.send(ANN, MAIL)
    await stand_in.fault("smtp", at="mail", drop=True, times=1)
    result = await sender.send(ANN, MAIL)

    assert result.outcome is Outcome.DELIVERED
    assert len(await stand_in.messages()) == 2


async def test_connections_are_kept_and_few(stand_in, sender):
    results = await asyncio.gather(*(sender.send(ANN, {"text": f"{i}"}) for i in range(40)))

    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert sorted(int(kept["text"]) for kept in await stand_in.messages()) == list(range(40))
    assert 1 <= len(sender._idle.get()) <= 8


async def test_a_server_without_tls_gets_nothing_when_tls_is_asked_for(stand_in):
    sender = SmtpEmailSender(stand_in.settings(SMTP_HOST="127.0.0.1", SMTP_PORT=str(stand_in.smtp_port)))
    result = await sender.send(ANN, MAIL)
    assert (result.outcome, result.reaction, result.code) == (Outcome.PERMANENT, Reaction.OPERATOR, "NoSecureLogin")


async def test_nothing_listens(stand_in):
    sender = SmtpEmailSender(stand_in.settings(SMTP_HOST="127.0.0.1", SMTP_PORT="9", SMTP_STARTTLS="false"))
    assert (await sender.send(ANN, MAIL)).code == "NotConnected"


def test_a_password_never_crosses_the_network_in_the_clear(stand_in):
    secret = {"SMTP_USER": "u", "SMTP_PASSWORD": "p", "SMTP_STARTTLS": "false"}
    with pytest.raises(ConfigurationError, match="in the clear"):
        SmtpEmailSender(stand_in.settings(SMTP_HOST="mail.example.org", **secret))


async def test_other_recipients_are_refused(stand_in, sender):
    assert (await sender.send(Address(kind="sms", value=NUMBER), MAIL)).code == "WrongRecipient"
    assert (await sender.send(Address(kind="email", value="a@b\r\nRCPT TO:<c@d.org>"), MAIL)).code == "Refused"
    assert (await sender.update(ANN, "x", MAIL)).status == (await sender.delete(ANN, "x")).status == 405


async def test_names_are_quoted_and_kept_on_their_line(stand_in, sender):
    person = Address(kind="email", value=MAILBOX, name='Ann, "Bo"\r\nBcc: eve@example.org')
    assert (
        await sender.send(person, {"subject": "a\r\nBcc: eve@example.org", "text": "x"})
    ).outcome is Outcome.DELIVERED
    (kept,) = await stand_in.messages()
    assert "Bcc" not in kept["headers"]


async def test_another_client_of_the_mail_server(stand_in):
    for auth in ({}, {"username": "u", "password": "p"}):
        await aiosmtplib.send(
            "Subject: hi\r\n\r\nhello\r\n..dot\r\n",
            sender="a@example.org",
            recipients=["b@example.org", "c@example.org"],
            hostname="127.0.0.1",
            port=stand_in.smtp_port,
            start_tls=False,
            **auth,
        )
    assert [kept["to"] for kept in await stand_in.messages()] == ["b@example.org", "c@example.org"] * 2
    assert (await stand_in.messages())[0]["text"] == "hello\n..dot"


def certificate(folder):
    """A certificate for 127.0.0.1 that nobody trusts, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(timezone.utc) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "certificate.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + private)
    return file


@pytest.fixture
async def tls(stand_in, tmp_path, monkeypatch):
    """A port that speaks TLS from the first byte, and hands on to the mail server; its certificate's file."""
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def hand_on(reader, writer):
        there, here = await asyncio.open_connection("127.0.0.1", stand_in.smtp_port)

        async def copy(source, sink):
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, here), copy(there, writer))

    server = await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(email_smtp, "IMPLICIT_TLS_PORT", port)
    yield port, file
    server.close()


async def test_tls_from_the_first_byte(stand_in, tls, monkeypatch):
    port, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    settings = stand_in.settings(SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), SMTP_USER="u", SMTP_PASSWORD="p")
    sender = SmtpEmailSender(settings)

    assert (await sender.send(ANN, MAIL)).outcome is Outcome.DELIVERED
    assert len(await stand_in.messages()) == 1
    await sender.close()


async def test_a_server_that_nobody_vouches_for_gets_nothing(stand_in, tls):
    settings = stand_in.settings(SMTP_HOST="127.0.0.1", SMTP_PORT=str(tls[0]), SMTP_USER="u", SMTP_PASSWORD="p")
    result = await SmtpEmailSender(settings).send(ANN, MAIL)

    assert (result.outcome, result.reaction, result.code) == (Outcome.PERMANENT, Reaction.OPERATOR, "NoSecureLogin")
    assert await stand_in.messages() == []
