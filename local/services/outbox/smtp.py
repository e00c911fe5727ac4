"""A mail server that keeps what it gets: enough of RFC 5321 for any client, with AUTH and without TLS.

It takes every login and every recipient, relays nothing, and is for loopback only.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import email
import email.policy
import re
from collections.abc import Awaitable, Callable
from email.message import EmailMessage

from local.services.outbox.faults import Fault, Faults
from local.services.outbox.store import Message, Store

LARGEST = 25 * 1024 * 1024
# RFC 5321 section 4.5.3.1: 512 octets a command, 1000 a line of text; clients write longer ones.
LONGEST_LINE = 1024 * 1024
MOST_RECIPIENTS = 100
MOST_MISTAKES = 20
IDLE_SECONDS = 300.0
MAIL = re.compile(r"FROM:\s*<(?P<address>[^<>\s]*)>(?P<parameters>.*)", re.IGNORECASE)
RCPT = re.compile(r"TO:\s*<(?P<address>[^<>\s]+)>(?P<parameters>.*)", re.IGNORECASE)


class LostError(Exception):
    """The connection is to end without another word."""


class Session:
    """One client's connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, store: Store, faults: Faults
    ) -> None:
        self._reader, self._writer = reader, writer
        self._store, self._faults = store, faults
        self._greeted = False
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._hello,
            "HELO": self._hello,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._reset,
            "NOOP": self._noop,
            "VRFY": self._verify,
        }

    async def run(self) -> None:
        """Talk until the client ends it, is silent too long, or a fault drops it."""
        with contextlib.suppress(LostError, OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            if not await self._strikes("connect"):
                await self._say(220, "local outbox ESMTP")
                await self._talk()

    async def _talk(self) -> None:
        mistakes = 0
        while mistakes < MOST_MISTAKES:
            verb, _, rest = (await self._line()).partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                await self._say(221, "2.0.0 Bye")
                return
            handler = self._commands.get(verb)
            if handler is None:
                mistakes += 1
                await self._say(502, "5.5.1 Command not implemented")
                continue
            await handler(rest.strip())
        await self._say(421, "4.7.0 Too many mistakes")

    async def _hello(self, name: str) -> None:
        if not name:
            await self._say(501, "5.5.4 Say who you are")
            return
        self._greeted = True
        await self._reset_silently()
        lines = ["local outbox", "PIPELINING", f"SIZE {LARGEST}", "8BITMIME", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"]
        await self._send("".join(f"250{'-' if line != lines[-1] else ' '}{line}\r\n" for line in lines))

    async def _auth(self, arguments: str) -> None:
        mechanism, _, initial = arguments.partition(" ")
        mechanism = mechanism.upper()
        if mechanism not in {"PLAIN", "LOGIN"}:
            await self._say(504, "5.5.4 Mechanism not known")
            return
        prompts = {"PLAIN": [""], "LOGIN": ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"]}[mechanism]
        answers = [initial] if initial else []
        for prompt in prompts[len(answers) :]:
            await self._say(334, prompt)
            answers.append(await self._line())
        if "*" in answers or not all(map(_is_base64, answers)):
            await self._say(501, "5.5.2 Cancelled or not base64")
        elif not await self._strikes("auth"):
            await self._say(235, "2.7.0 Authentication successful")

    async def _mail(self, arguments: str) -> None:
        match = MAIL.match(arguments)
        if not self._greeted or self._sender is not None:
            await self._say(503, "5.5.1 Not now")
        elif match is None:
            await self._say(501, "5.1.7 Write MAIL FROM:<address>")
        elif (size := re.search(r"\bSIZE=(\d+)", match["parameters"], re.IGNORECASE)) and int(size[1]) > LARGEST:
            await self._say(552, "5.3.4 Message too big")
        elif not await self._strikes("mail", match["address"]):
            self._sender = match["address"]
            await self._say(250, "2.1.0 Sender ok")

    async def _rcpt(self, arguments: str) -> None:
        match = RCPT.match(arguments)
        if self._sender is None:
            await self._say(503, "5.5.1 MAIL first")
        elif match is None or match["address"].count("@") != 1:
            await self._say(501, "5.1.3 Write RCPT TO:<address>")
        elif len(self._recipients) >= MOST_RECIPIENTS:
            await self._say(452, "4.5.3 Too many recipients")
        elif self._store.refuses(match["address"]):
            await self._say(550, "5.1.1 No such mailbox here")
        elif not await self._strikes("rcpt", match["address"]):
            self._recipients.append(match["address"])
            await self._say(250, "2.1.5 Recipient ok")

    async def _data(self, _arguments: str) -> None:
        if not self._recipients:
            await self._say(503, "5.5.1 RCPT first")
            return
        await self._say(354, "End with a dot alone on a line")
        body = await self._text()
        if body is None:
            await self._say(552, "5.3.4 Message too big")
        else:
            fault = self._faults.choose("smtp", "data", self._recipients)
            if fault is None or fault.taken or not (fault.status or fault.drop):
                number = self._keep(body)
            if fault is None or not await self._struck(fault):
                await self._say(250, f"2.0.0 Kept as {number}")
        await self._reset_silently()

    async def _reset(self, _arguments: str) -> None:
        await self._reset_silently()
        await self._say(250, "2.0.0 Ok")

    async def _noop(self, _arguments: str) -> None:
        await self._say(250, "2.0.0 Ok")

    async def _verify(self, _arguments: str) -> None:
        await self._say(252, "2.5.0 Cannot tell; send and see")

    async def _reset_silently(self) -> None:
        self._sender, self._recipients = None, []

    async def _text(self) -> bytes | None:
        """The message's lines without the dots that were put before dots; None when it is too big."""
        lines: list[bytes] = []
        size = 0
        while (line := await self._raw_line()) != b".\r\n":
            size += len(line)
            if size <= LARGEST:
                lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines) if size <= LARGEST else None

    def _keep(self, body: bytes) -> int:
        number, content = 0, _content(body)
        with self._store:
            for recipient in self._recipients:
                sender = self._sender or ""
                number = self._store.add(content._replace(sender=sender, recipient=recipient))
        return number

    async def _strikes(self, at: str, recipient: str = "") -> bool:
        fault = self._faults.choose("smtp", at, [recipient, *self._recipients])
        return fault is not None and await self._struck(fault)

    async def _struck(self, fault: Fault) -> bool:
        """Do what a fault says; whether it has answered in the command's place."""
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            self._writer.transport.abort()
            raise LostError
        if not fault.status:
            return False
        await self._say(fault.status, fault.message or f"{fault.status // 100}.0.0 On demand")
        if fault.status == 421:
            raise LostError
        return True

    async def _line(self) -> str:
        return (await self._raw_line()).decode("utf-8", "replace").rstrip("\r\n")

    async def _raw_line(self) -> bytes:
        """One line up to CR LF: a lone LF ends nothing, or a message could be smuggled into another."""
        try:
            return await asyncio.wait_for(self._reader.readuntil(b"\r\n"), IDLE_SECONDS)
        except asyncio.LimitOverrunError:
            await self._say(500, "5.5.2 Line too long")
            raise LostError from None

    async def _say(self, code: int, text: str) -> None:
        await self._send(f"{code} {text}\r\n")

    async def _send(self, text: str) -> None:
        self._writer.write(text.encode())
        await self._writer.drain()


class MailServer:
    """Listens, and ends its sessions with itself."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST_LINE)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._sessions.add(task)
        try:
            await Session(reader, writer, store=self._store, faults=self._faults).run()
        except asyncio.CancelledError:
            # The stream's own callback would report it as an error.
            writer.transport.abort()
        finally:
            writer.close()
            if task is not None:
                self._sessions.discard(task)


def _content(body: bytes) -> Message:
    """The message without its sender and recipient."""
    parsed = email.message_from_bytes(body, policy=email.policy.default)
    headers: dict[str, str] = {}
    for name in parsed.keys():  # noqa: SIM118  a message's iterator and its keys differ in their types
        headers.setdefault(_clean(name), _header(parsed, name))
    return Message(
        *("email", "smtp", "", "", _part(parsed, "plain"), headers.get("To", "")),
        *(headers.get("Subject", ""), _part(parsed, "html"), headers, headers.get("Message-ID", "")),
    )


def _header(parsed: EmailMessage, name: str) -> str:
    try:
        return _clean(str(parsed.get(name, "")))
    except Exception:  # noqa: BLE001  the standard library stumbles over headers of many kinds
        return ""


def _part(parsed: EmailMessage, kind: str) -> str:
    try:
        part = parsed.get_body((kind,))
        return "" if part is None else _clean(str(part.get_content())).replace("\r\n", "\n").rstrip("\n")
    except Exception:  # noqa: BLE001  likewise
        return ""


def _clean(text: str) -> str:
    """The text without the lone surrogates that stand for bytes of no character; SQLite takes none."""
    return text.encode("utf-8", "replace").decode()


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True
