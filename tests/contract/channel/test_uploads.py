"""Files: both forms of upload, limits, and the URLs that they are served at."""

import base64
import binascii
import gzip
import io

import aiohttp
import pytest

ACTIVITY = "application/vnd.microsoft.activity"


def multipart(activity, *files):
    """The body as DirectLineJS writes it."""
    form = aiohttp.FormData(quote_fields=False)
    if activity is not None:
        import json

        form.add_field("activity", json.dumps(activity).encode(), content_type=ACTIVITY, filename="blob")
    for name, kind, data in files:
        form.add_field("file", io.BytesIO(data), content_type=kind, filename=name)
    return form


async def send(channel, conversation, token, data, query="?userId=dl_ann", **headers):
    path = f"/conversations/{conversation}/upload{query}"
    return await channel.dl("POST", path, data=data, token=token, headers=headers)


async def test_one_file_as_the_body(channel, bot):
    conversation, token, _ = await channel.open()
    rows = b"a,b\r\n" + b"1,2\r\n" * 10
    headers = {"Content-Type": "text/csv", "Content-Disposition": 'form-data; name="file"; filename="my rows.csv"'}
    answer = await send(channel, conversation, token, rows, **headers)
    assert answer.status == 200
    (message,) = bot.of_type("message")
    (attachment,) = message["attachments"]
    assert (attachment["name"], attachment["contentType"]) == ("my rows.csv", "text/csv")
    served = await channel.call("GET", attachment["contentUrl"], token=None)
    assert (served.status, served.body) == (200, rows)
    assert served.headers["Content-Type"] == "text/csv"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert message["from"]["id"] == "dl_ann"
    assert message["id"] == answer.body["id"]


async def test_multipart_matches_files_by_name_in_any_order(channel, bot):
    conversation, token, _ = await channel.open()
    activity = {
        "type": "message",
        "text": "two files",
        "from": {"id": "dl_ann"},
        "channelData": {"clientActivityID": "c7"},
        "attachments": [
            {"name": "a.txt", "contentType": "text/plain", "thumbnailUrl": "data:image/png;base64,AA=="},
            {"name": "b.bin", "contentType": "application/octet-stream"},
        ],
    }
    data = multipart(activity, ("b.bin", "application/octet-stream", b"\x00B"), ("a.txt", "text/plain", b"A"))
    answer = await send(channel, conversation, token, data)
    assert answer.status == 200, answer.body
    echo = (await channel.activities(conversation, token))[0][0]
    assert echo["channelData"] == {"clientActivityID": "c7"}
    assert echo["text"] == "two files"
    first, second = echo["attachments"]
    assert first["thumbnailUrl"].startswith("data:")
    assert (await channel.call("GET", first["contentUrl"], token=None)).body == b"A"
    assert (await channel.call("GET", second["contentUrl"], token=None)).body == b"\x00B"


async def test_multipart_without_an_activity_and_with_equal_names(channel, bot):
    conversation, token, _ = await channel.open()
    data = multipart(None, ("x", "text/plain", b"1"), ("x", "text/plain", b"2"))
    assert (await send(channel, conversation, token, data)).status == 200
    (message,) = bot.of_type("message")
    bodies = [(await channel.call("GET", each["contentUrl"], token=None)).body for each in message["attachments"]]
    assert bodies == [b"1", b"2"]


async def test_an_activity_part_without_attachments_gets_the_files(channel, bot):
    conversation, token, _ = await channel.open()
    data = multipart({"type": "message", "from": {"id": "dl_ann"}}, ("x", "text/plain", b"1"))
    assert (await send(channel, conversation, token, data, "")).status == 200
    assert len(bot.of_type("message")[0]["attachments"]) == 1


async def test_a_file_of_four_megabytes_passes_and_a_larger_one_is_413(channel, bot):
    conversation, token, _ = await channel.open()
    headers = {"Content-Type": "text/csv", "Content-Disposition": 'attachment; filename="big.csv"'}
    assert (await send(channel, conversation, token, b"x" * (4 << 20), **headers)).status == 200
    refused = await send(channel, conversation, token, b"x" * ((4 << 20) + 1), **headers)
    assert (refused.status, refused.code) == (413, "MessageSizeTooBig")
    assert "4194304" in refused.body["error"]["message"]
    data = multipart(None, ("big", "text/plain", b"x" * ((4 << 20) + 1)))
    assert (await send(channel, conversation, token, data)).status == 413
    data = multipart(None, *((f"f{number}", "text/plain", b"x" * (4 << 20)) for number in range(6)))
    assert (await send(channel, conversation, token, data)).status == 413
    assert len(bot.of_type("message")) == 1


async def send_part(channel, kind, data, **headers):
    """Upload a part as it is, with headers of its own."""
    conversation, token, _ = await channel.open()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n{lines}\r\n'
    body = head.encode() + data + b"\r\n--x--\r\n"
    return await send(channel, conversation, token, body, **{"Content-Type": f"multipart/{kind}; boundary=x"})


# aiohttp's own, when it aligns chunks of base64.
@pytest.mark.filterwarnings("ignore:unread_data")
@pytest.mark.parametrize(
    ("kind", "encoding", "encode"),
    [
        ("mixed", "Content_Encoding", ("gzip", gzip.compress)),
        ("form-data", "Content_Transfer_Encoding", ("base64", base64.encodebytes)),
        ("form-data", "Content_Transfer_Encoding", ("quoted-printable", binascii.b2a_qp)),
    ],
)
async def test_a_part_that_was_encoded_for_the_transfer_is_kept_whole(channel, bot, kind, encoding, encode):
    name, encoded = encode
    # As much as is allowed, and in quoted-printable as long as it can be.
    data = (b"\xc3\xa4\xff" * (2 << 20))[: 4 << 20]
    assert (await send_part(channel, kind, encoded(data), **{encoding: name})).status == 200
    (attachment,) = bot.of_type("message")[-1]["attachments"]
    assert (await channel.call("GET", attachment["contentUrl"], token=None)).body == data
    larger = await send_part(channel, kind, encoded(b"x" * ((4 << 20) + 1)), **{encoding: name})
    assert (larger.status, larger.code) == (413, "MessageSizeTooBig")


@pytest.mark.parametrize("headers", [{"Content_Encoding": "gzip"}, {"Content_Transfer_Encoding": "base64"}])
async def test_a_part_that_is_not_what_its_encoding_says_is_400(channel, headers, caplog):
    answer = await send_part(channel, "mixed", b"b*d", **headers)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_activity_part_may_be_plain_json(channel, bot):
    conversation, token, _ = await channel.open()
    form = aiohttp.FormData()
    form.add_field("activity", b'{"type": "message", "text": "json"}', content_type="application/json", filename="a")
    form.add_field("file", b"x", filename="x", content_type="text/plain")
    assert (await send(channel, conversation, token, form)).status == 200
    assert bot.of_type("message")[0]["text"] == "json"
    assert len(bot.of_type("message")[0]["attachments"]) == 1


@pytest.mark.parametrize("body", [b"", b"--x\r\nbroken", b"--other\r\n\r\n"])
async def test_malformed_multipart_is_400(channel, body):
    conversation, token, _ = await channel.open()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await send(channel, conversation, token, body, **headers)
    assert (answer.status, answer.code) == (400, "BadArgument")


async def test_multipart_without_a_boundary_is_400(channel):
    conversation, token, _ = await channel.open()
    answer = await send(channel, conversation, token, b"x", **{"Content-Type": "multipart/form-data"})
    assert answer.status == 400


async def test_files_without_end_are_400(channel, bot):
    conversation, token, _ = await channel.open()

    async def parts():
        for number in range(200):
            yield f'--x\r\nContent-Disposition: form-data; name="f"; filename="f{number}"\r\n\r\n\r\n'.encode()
        yield b"--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await send(channel, conversation, token, parts(), **headers)
    assert (answer.status, answer.code) == (400, "BadArgument")
    assert bot.of_type("message") == []


async def test_a_malformed_activity_part_is_400(channel):
    conversation, token, _ = await channel.open()
    form = aiohttp.FormData()
    form.add_field("activity", b"{", content_type=ACTIVITY, filename="blob")
    form.add_field("file", b"x", filename="x", content_type="text/plain")
    assert (await send(channel, conversation, token, form)).status == 400


async def test_names_in_other_letters_keep_their_letters(channel, bot):
    conversation, token, _ = await channel.open()
    data = multipart(None, ("größe & 表.csv", "text/csv", b"1"))
    assert (await send(channel, conversation, token, data)).status == 200
    (attachment,) = bot.of_type("message")[0]["attachments"]
    assert attachment["name"] == "größe & 表.csv"
    assert (await channel.call("GET", attachment["contentUrl"], token=None)).body == b"1"


async def test_unknown_attachments_are_404(channel):
    assert (await channel.call("GET", "/attachments/nothing/x.csv", token=None)).status == 404


async def test_files_survive_a_restart(channel, bot):
    conversation, token, _ = await channel.open()
    await send(channel, conversation, token, multipart(None, ("x", "text/plain", b"kept")))
    await channel.restart()
    (attachment,) = bot.of_type("message")[0]["attachments"]
    assert (await channel.call("GET", attachment["contentUrl"], token=None)).body == b"kept"
