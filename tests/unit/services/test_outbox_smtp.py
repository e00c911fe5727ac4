"""The mail server, command by command."""

from __future__ import annotations

import asyncio
import base64
from email.message import EmailMessage

import pytest

from local.services.outbox import smtp
from local.services.outbox.faults import Faults
from local.services.outbox.smtp import MailServer
from local.services.outbox.store import Store


class Client:
    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        lines = [(await asyncio.wait_for(self.reader.readline(), 60)).decode()]
        while lines[-1][3:4] == "-":
            lines.append((await self.reader.readline()).decode())
        return "".join(lines)

    async def say(self, text: str | bytes) -> str:
        self.writer.write(text if isinstance(text, bytes) else f"{text}\r\n".encode())
        return await self.reply()

    async def codes(self, *commands: str) -> list[str]:
        return [(await self.say(command))[:3] for command in commands]


@pytest.fixture
async def store(tmp_path):
    made = Store(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def client(store):
    server = MailServer(store, Faults(store))
    await server.start("127.0.0.1", 0)
    port = server._server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = Client(reader, writer)
    assert (await found.reply()).startswith("220 ")
    yield found
    writer.close()
    await server.close()


async def test_a_whole_conversation(client, store):
    hello = await client.say("EHLO me")
    assert "250-SIZE 26214400\r\n" in hello
    assert "STARTTLS" not in hello
    assert hello.endswith("250 AUTH PLAIN LOGIN\r\n")
    assert (
        await client.codes("MAIL FROM:<a@x.org> SIZE=10 BODY=8BITMIME", "RCPT TO:<b@x.org>", "RCPT TO:<c@x.org>")
        == ["250"] * 3
    )
    assert (await client.say("DATA")).startswith("354")
    assert (await client.say(b"Subject: s\r\n\r\nline\r\n..dot\r\nbare\n.\nlf\r\n.\r\n")).startswith("250 2.0.0 Kept")
    assert (await client.say("QUIT")).startswith("221")
    assert await client.reader.read() == b""
    kept = store.messages()
    assert [message["to"] for message in kept] == ["b@x.org", "c@x.org"]
    # A lone LF ends nothing: what follows it stays in this message.
    assert kept[0]["text"] == "line\n.dot\nbare\n.\nlf"


async def test_commands_come_in_order(client):
    assert await client.codes(
        "MAIL FROM:<a@x.org>", "EHLO", "HELO me", "RCPT TO:<b@x.org>", "DATA", "NOOP", "VRFY b", "WHAT", "MAIL a@x.org"
    ) == ["503", "501", "250", "503", "503", "250", "252", "502", "501"]
    assert await client.codes("MAIL FROM:<>", "MAIL FROM:<a@x.org>", "RCPT TO:<>", "RCPT TO:<b>", "DATA") == [
        "250", "503", "501", "501", "503"
    ]  # fmt: skip
    assert await client.codes("RSET", "MAIL FROM:<a@x.org> SIZE=99999999", "MAIL FROM:<a@x.org>") == [
        "250",
        "552",
        "250",
    ]


async def test_commands_may_come_at_once(client, store):
    client.writer.write(b"EHLO me\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n")
    assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    assert (await client.say(b"\r\nhello\r\n.\r\n")).startswith("250")
    assert store.messages()[0]["text"] == "hello"


async def test_logins(client):
    secret = base64.b64encode(b"\0u\0p").decode()
    assert (await client.say(f"AUTH PLAIN {secret}"))[:3] == "235"
    assert await client.codes("AUTH PLAIN", secret) == ["334", "235"]
    assert await client.codes("AUTH LOGIN", "dQ==", "cA==") == ["334", "334", "235"]
    assert await client.codes("AUTH LOGIN dQ==", "*") == ["334", "501"]
    assert await client.codes("AUTH PLAIN !!", "AUTH CRAM-MD5") == ["501", "504"]


async def test_too_many_mistakes_end_it(client):
    replies = await client.codes(*["WHAT"] * 19)
    assert set(replies) == {"502"}
    client.writer.write(b"WHAT\r\n")
    assert (await client.reply())[:3] == "502"
    assert (await client.reply())[:3] == "421"


async def test_a_message_too_big_is_read_to_its_end_and_refused(client, store, monkeypatch):
    monkeypatch.setattr(smtp, "LARGEST", 1000)
    await client.codes("EHLO me", "MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>", "DATA")
    assert (await client.say(b"x" * 900 + b"\r\n" + b"y" * 900 + b"\r\n.\r\n"))[:3] == "552"
    assert (await client.say("NOOP"))[:3] == "250"
    assert store.messages() == []


async def test_a_line_without_end_ends_it(client, monkeypatch):
    client.writer.write(b"x" * (smtp.LONGEST_LINE + 100))
    assert (await client.reply())[:3] == "500"


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(client, store):
    await client.codes("EHLO me", "MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>", "DATA")
    client.writer.write(b"half\r\n")
    client.writer.close()
    await asyncio.sleep(0.05)
    assert store.messages() == []


@pytest.mark.parametrize(
    ("made", "text", "html"),
    [
        (lambda m: m.set_content("Grüße\n"), "Grüße", ""),
        (lambda m: m.set_content("<p>Grüße</p>\n", subtype="html"), "", "<p>Grüße</p>"),
        (lambda m: (m.set_content("a\n"), m.add_alternative("<b>", subtype="html")), "a", "<b>"),
    ],
)
async def test_texts_are_found_in_messages(client, store, made, text, html):
    message = EmailMessage()
    message["Subject"] = "Grüße 🎉"
    made(message)
    await client.codes("EHLO me", "MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>", "DATA")
    await client.say(message.as_bytes().replace(b"\n", b"\r\n") + b"\r\n.\r\n")
    (kept,) = store.messages()
    assert (kept["subject"], kept["text"], kept["html"]) == ("Grüße 🎉", text, html)


async def test_what_is_no_message_is_kept_all_the_same(client, store):
    await client.codes("EHLO me", "MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>", "DATA")
    raw = b"Content-Type: text/plain; charset=nonsense\r\nSubject: =?nonsense?Q?x?=\r\n\xff\r\n\r\n\xff\xfe\r\n.\r\n"
    assert (await client.say(raw))[:3] == "250"
    assert len(store.messages()) == 1
