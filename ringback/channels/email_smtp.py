"""E-mail by a mail server (RFC 5321), over a few connections that are kept."""

from __future__ import annotations

import asyncio
import email.policy
import ssl
import time
from datetime import datetime, timezone
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.utils import format_datetime
from socket import gethostname
from typing import TYPE_CHECKING
from uuid import uuid4

from ringback.channels import acs
from ringback.channels.address import Address, Recipient, checked
from ringback.channels.http import PerLoop
from ringback.channels.mail import Mail, mail, sender
from ringback.channels.port import Once, Outcome, Payload, Reaction, SendResult, cannot, wrong_recipient
from ringback.delivery.policy import classify_reply, no_answer
from ringback.errors import ConfigurationError, RequestError
from ringback.settings import MessagingSettings, Settings

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponseException

CONNECT_SECONDS = 15.0
# RFC 5321 section 4.5.3.2 allows minutes; an activity has not so many.
REPLY_SECONDS = 60.0
# Servers drop silent connections after minutes; older ones are not worth the question.
IDLE_SECONDS = 20.0
CONNECTIONS = 8
IMPLICIT_TLS_PORT = 465
# RFC 5321 section 4.2.1.
REFUSALS = range(400, 600)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SmtpEmailSender:
    """E-mail from one mailbox; the server's 250 after the text counts as delivered, its id is our Message-ID."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.messaging
        if not self._settings.smtp_host:
            raise ConfigurationError("There is no mail server: set SMTP_HOST.")
        if self._settings.smtp_password and not _is_private(self._settings):
            fix = "set SMTP_STARTTLS to true, or SMTP_PORT to 465"
            raise ConfigurationError(f"SMTP_PASSWORD would cross the network in the clear: {fix}.")
        self._from = sender(self._settings.email_from)
        self._idle: PerLoop[list[tuple[SMTP, float]]] = PerLoop(list)
        self._slots: PerLoop[asyncio.Semaphore] = PerLoop(lambda: asyncio.Semaphore(CONNECTIONS))

    async def send(self, recipient: Recipient, payload: Payload, *, once: Once | None = None) -> SendResult:
        """With `once` the Message-ID is the same each time, which many mailboxes show once."""
        if not isinstance(recipient, Address) or recipient.kind != "email":
            return wrong_recipient("e-mail")
        try:
            content = mail(payload)
            checked(recipient)
        except RequestError as error:
            return SendResult(outcome=Outcome.PERMANENT, code="Refused", detail=str(error))
        key = acs.stable_id(once.key, recipient.value) if once else str(uuid4())
        message_id = f"<{key}@{self._from.value.rpartition('@')[2]}>"
        raw = _message(self._from, recipient, content, message_id)
        async with self._slots.get():
            kept = self._kept()
            if kept is not None:
                result = await self._deliver(kept, recipient.value, raw, message_id)
                # 421 is how a server takes leave of a connection that was silent for long.
                if result.code != "NotConnected" and result.status != 421:
                    return result
            return await self._deliver_anew(recipient.value, raw, message_id)

    async def update(self, recipient: Recipient, activity_id: str, payload: Payload) -> SendResult:  # noqa: ARG002  the port's
        return cannot("edited")

    async def delete(self, recipient: Recipient, activity_id: str) -> SendResult:  # noqa: ARG002  the port's
        return cannot("recalled")

    async def close(self) -> None:
        """Close the running loop's idle connections."""
        for client, _ in self._idle.take() or []:
            client.close()

    def _kept(self) -> SMTP | None:
        """A connection that was used a moment ago."""
        idle = self._idle.get()
        while idle:
            client, since = idle.pop()
            if client.is_connected and time.monotonic() - since < IDLE_SECONDS:
                return client
            client.close()
        return None

    async def _deliver_anew(self, to: str, raw: bytes, message_id: str) -> SendResult:
        from aiosmtplib import SMTPException, SMTPNotSupported, SMTPResponseException  # noqa: PLC0415

        try:
            client = await self._connect()
        except SMTPResponseException as error:
            return _refusal(error)
        except (SMTPException, OSError, asyncio.TimeoutError) as error:
            # The client has no class of its own for a server that lacks STARTTLS or AUTH.
            if type(error) in (SMTPException, SMTPNotSupported) or _untrusted(error):
                return _unusable(error)
            return no_answer(error, went_out=False)
        return await self._deliver(client, to, raw, message_id)

    async def _connect(self) -> SMTP:
        from aiosmtplib import SMTP  # noqa: PLC0415  6 ms that only a message needs

        config = self._settings
        client = SMTP(
            hostname=config.smtp_host,
            port=config.smtp_port,
            username=config.smtp_user or None,
            password=config.smtp_password or None,
            use_tls=config.smtp_port == IMPLICIT_TLS_PORT,
            start_tls=config.smtp_starttls and config.smtp_port != IMPLICIT_TLS_PORT,
            # Finding the full name may take a name server's patience.
            local_hostname=gethostname() or "localhost",
            timeout=CONNECT_SECONDS,
        )
        await client.connect()
        return client

    async def _deliver(self, client: SMTP, to: str, raw: bytes, message_id: str) -> SendResult:
        """One transaction; the connection is kept only after a success, as every other end leaves it in doubt."""
        from aiosmtplib import SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused  # noqa: PLC0415

        went_out, done = False, False
        try:
            await client.mail(self._from.value, timeout=CONNECT_SECONDS)
            await client.rcpt(to, timeout=CONNECT_SECONDS)
            went_out = True
            reply = await client.data(raw, timeout=REPLY_SECONDS)
            done = True
        except SMTPSenderRefused as error:
            return _refusal(error, "SenderRefused")
        except SMTPRecipientRefused as error:
            return _refusal(error, "RecipientRefused")
        except SMTPResponseException as error:
            return _refusal(error, went_out=went_out)
        except (SMTPException, OSError, asyncio.TimeoutError) as error:
            return no_answer(error, went_out=went_out)
        finally:
            if done and client.is_connected:
                self._idle.get().append((client, time.monotonic()))
            else:
                client.close()
        detail = " ".join(reply.message.split())[:200]
        return SendResult(outcome=Outcome.DELIVERED, status=reply.code, activity_id=message_id, detail=detail)


def _refusal(error: SMTPResponseException, refused: str = "", *, went_out: bool = False) -> SendResult:
    """What a reply other than success means; one that is no reply of SMTP tells as little as none."""
    if error.code in REFUSALS:
        return classify_reply(error.code, error.message, refused)
    return no_answer(error, went_out=went_out)


def _untrusted(error: BaseException | None) -> bool:
    """Whether the server's certificate is at the bottom of it; the client wraps that."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _unusable(error: Exception) -> SendResult:
    detail = f"{type(error).__name__}: {error}: check SMTP_HOST, SMTP_PORT and SMTP_STARTTLS"[:300]
    return SendResult(outcome=Outcome.PERMANENT, code="NoSecureLogin", detail=detail, reaction=Reaction.OPERATOR)


def _is_private(config: MessagingSettings) -> bool:
    return config.smtp_starttls or config.smtp_port == IMPLICIT_TLS_PORT or config.smtp_host in LOOPBACK


def _message(origin: Address, address: Address, content: Mail, message_id: str) -> bytes:
    """The message in ASCII lines, as every mail server takes them."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = Mailbox(origin.name or "", addr_spec=origin.value)
    message["To"] = Mailbox(_one_line(address.name), addr_spec=address.value)
    message["Subject"] = content.subject
    message["Date"] = format_datetime(datetime.now(timezone.utc))
    message["Message-ID"] = message_id
    # RFC 3834: no vacation answers, please.
    message["Auto-Submitted"] = "auto-generated"
    for name, value in content.headers.items():
        message[name] = value
    message.set_content(content.text, cte="quoted-printable")
    if content.html:
        message.add_alternative(content.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _one_line(name: str | None) -> str:
    return "".join(character for character in " ".join((name or "").split()) if character.isprintable())[:100]
