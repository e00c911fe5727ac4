"""What a mail server may answer that no mail server should."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from ringback.channels.address import Address
from ringback.channels.email_smtp import SmtpEmailSender
from ringback.channels.port import Outcome
from tests.contract.outbox.conftest import MAILBOX
from tests.unit.app.stand_ins import make_settings

R, P, A = Outcome.RETRY, Outcome.PERMANENT, Outcome.AMBIGUOUS
ANN = Address(kind="email", value=MAILBOX)


class Server:
    """Answers 250 to everything but to what `replies` say; an empty reply ends the connection."""

    def __init__(self, replies: dict[str, bytes]) -> None:
        self.replies = {"banner": b"220 hello", "DATA": b"354 go on", **replies}
        self.texts = 0
        self._served: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> SmtpEmailSender:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._served.append(asyncio.create_task(self._serve(reader, writer)))

        self._server = await asyncio.start_server(begin, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        settings = {"EMAIL_FROM": "us@example.org", "SMTP_HOST": "127.0.0.1", "SMTP_STARTTLS": "false"}
        self.sender = SmtpEmailSender(make_settings(**settings, SMTP_PORT=str(port)))
        return self.sender

    async def __aexit__(self, *_: object) -> None:
        await self.sender.close()
        self._server.close()
        await asyncio.gather(*self._served)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb = "banner"
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while reply := self.replies.get(verb, b"250 ok"):
                writer.write(reply + b"\r\n")
                if verb == "DATA" and reply.startswith(b"354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    self.texts += 1
                    verb = "text"
                elif line := await reader.readline():
                    verb = line.split()[0].decode().upper()
                else:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("replies", "outcome", "code"),
    [
        # After the text whatever is no refusal leaves open what became of it.
        ({"text": b"thanks a lot"}, A, "NoAnswer"),
        ({"text": b"354 go on"}, A, "NoAnswer"),
        ({"text": b"220 hello"}, A, "NoAnswer"),
        ({"text": b"999 what"}, A, "NoAnswer"),
        ({"text": b"250 " + b"x" * 100_000}, A, "NoAnswer"),
        ({"text": b""}, A, "NoAnswer"),
        ({"text": b"450-4.2.0 not\r\n450 4.2.0 now"}, R, "450 4.2.0"),
        ({"text": b"421 4.3.2 going down"}, R, "421 4.3.2"),
        ({"text": b"554-5.7.1 no\r\n554 5.7.1 spam"}, P, "554 5.7.1"),
        # Before it nothing was sent.
        ({"banner": b"HTTP/1.1 400 Bad Request"}, R, "NotConnected"),
        ({"MAIL": b"what?"}, R, "NotConnected"),
        ({"RCPT": b""}, R, "NotConnected"),
        ({"RCPT": b"550-5.1.1 nobody\r\n550 5.1.1 here"}, P, "550 5.1.1"),
    ],
)
async def test_a_reply_tells_no_more_than_it_says(replies, outcome, code):
    server = Server(replies)
    async with server as sender:
        result = await sender.send(ANN, {"text": "hello"})
    assert (result.outcome, result.code) == (outcome, code)
    assert server.texts == ("text" in replies)
