"""Whatever comes over the wire, the mail server talks on or hangs up, and keeps no half of a message."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.services.outbox.faults import Faults
from local.services.outbox.smtp import Session
from local.services.outbox.store import Store

COMMANDS = st.sampled_from(
    [
        b"EHLO me", b"HELO", b"MAIL FROM:<a@x.org>", b"MAIL FROM:<>", b"RCPT TO:<b@x.org>", b"RCPT TO:<\xff@x>", b"DATA",
        b"RSET", b"AUTH LOGIN", b"AUTH PLAIN AAAA", b"AUTH", b"*", b"QUIT", b"NOOP", b".", b"..", b"Subject: x", b"",
    ]
)  # fmt: skip
HEADERS = st.sampled_from(
    [
        b"To: \xff\xfe <", b"From: <<>>", b'To: "', b"Subject: =?utf-8?B?////?=", b"Content-Type: multipart/mixed",
        b"Content-Type: text/html; charset=\xff", b"Content-Transfer-Encoding: base64", b"Message-ID: <", b"Date: x",
        b"Content-Type: multipart/alternative; boundary=b", b"--b", b"", b"=?", b"To: a@[", b"Cc: (((", b": x",
    ]
)  # fmt: skip


class Writer:
    """Takes the replies."""

    def __init__(self) -> None:
        self.said = b""
        self.transport = self

    def write(self, data: bytes) -> None:
        self.said += data

    async def drain(self) -> None:
        pass

    def abort(self) -> None:
        pass


@pytest.fixture(scope="module")
def store():
    with tempfile.TemporaryDirectory() as folder:
        made = Store(Path(folder))
        yield made
        made.close()


def talk(store, data: bytes) -> tuple[str, list[str]]:
    """The session's whole reply, and the texts that it kept."""
    store.clear()

    async def run() -> Writer:
        reader, writer = asyncio.StreamReader(), Writer()
        reader.feed_data(data)
        reader.feed_eof()
        await Session(reader, writer, store=store, faults=Faults(store)).run()
        return writer

    said = asyncio.run(run()).said.decode()
    return said, [message["text"] for message in store.messages()]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(COMMANDS, st.binary(max_size=60)), max_size=30))
def test_any_commands_get_replies(store, lines):
    said, _ = talk(store, b"\r\n".join(lines) + b"\r\n")
    assert said.startswith("220 ")
    assert all(line[:3].isdigit() for line in said.splitlines())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(st.one_of(HEADERS, st.binary(max_size=60)), max_size=12))
def test_any_message_is_kept_once_and_whole(store, body):
    stuffed = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in body)
    lines = stuffed.replace(b"\r\n.\r\n", b"\r\n..\r\n")
    if lines.startswith(b".\r\n"):
        lines = b"." + lines
    data = b"EHLO me\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n" + lines + b".\r\nQUIT\r\n"
    said, kept = talk(store, data)
    assert said.endswith("221 2.0.0 Bye\r\n")
    assert len(kept) == 1
