"""What is no HTTP request, or too large a head of one: an error body as for everything else, and a quiet log."""

import asyncio
import json
import logging

import pytest

HEAD = b"POST /v3/directline/conversations HTTP/1.1\r\nHost: x\r\n"


async def exchange(channel, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", channel.port)
    writer.write(data)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head.lower(), body


@pytest.mark.parametrize(
    "data",
    [
        b"GET /?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v3/directline/conversations/" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"x" * 9000 + b": y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET / HTTP/9.x\r\nHost: x\r\n\r\n",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_cannot_be_read_is_400_with_an_error_body(channel, caplog, data):
    with caplog.at_level(logging.INFO):
        status, head, body = await exchange(channel, data)
    assert status == 400
    assert b"content-type: application/json" in head
    error = json.loads(body)["error"]
    assert error["code"] == "BadArgument"
    assert len(error["message"]) < 400
    assert [record for record in caplog.records if record.exc_info] == []
    assert (await channel.open())[0]


async def test_a_body_that_breaks_off_leaves_a_quiet_log(channel, caplog):
    reader, writer = await asyncio.open_connection("127.0.0.1", channel.port)
    writer.write(HEAD + b"Authorization: Bearer the-secret\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    assert (await channel.open())[0]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
