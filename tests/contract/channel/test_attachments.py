"""The connector's attachments: with --auth only for who has the bot's token, and by a public URL for clients."""

import base64

import aiohttp
import pytest

from tests.local_channel import SECRET, Client

PNG = {"type": "image/png", "name": "a b.png", "originalBase64": base64.b64encode(b"PNG").decode()}


@pytest.fixture
async def channel(tmp_path, bot):
    client = Client(tmp_path / "state", bot, auth=True, app_id="app", app_password="password")
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def uploaded(channel, bot):
    """A question and the id of an attachment that the bot put into its conversation."""
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "password"}
    form["scope"] = "https://api.botframework.com/.default"
    answer = await channel.call("POST", "/oauth2/v2.0/token", data=aiohttp.FormData(form), token=None)
    bot.token, bot.echoes = answer.body["access_token"], False
    conversation, token, _ = await channel.open()
    await channel.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    status, made = await bot.call("POST", question, "/attachments", PNG)
    assert status == 201, made
    return question, made["id"]


@pytest.mark.parametrize(
    "path", ["/v3/attachments/{}", "/v3/attachments/{}/views/original", "/teams/v3/attachments/{}"]
)
async def test_info_and_views_need_the_bots_token(channel, bot, uploaded, path):
    path = path.format(uploaded[1])
    for token in (None, "garbage", SECRET):
        refused = await channel.call("GET", path, token=token)
        assert (refused.status, refused.code) == (401, "Unauthorized")
    assert (await channel.call("GET", path, token=bot.token)).status == 200
    unknown = await channel.call("GET", "/v3/attachments/nothing", token=bot.token)
    assert (unknown.status, unknown.code) == (404, "AttachmentNotFound")


async def test_clients_get_a_url_that_they_can_open(channel, bot, uploaded):
    question, attachment = uploaded
    url = f"{channel.url}/v3/attachments/{attachment}/views/original"
    elsewhere = {"contentType": "image/png", "contentUrl": "https://elsewhere.example/v3/attachments/x/views/original"}
    shown = {"contentType": "image/png", "contentUrl": url, "name": "kept"}
    await bot.say(question, "look", attachments=[shown, elsewhere])
    first, second = (await channel.activities(question["conversation"]["id"], SECRET))[0][-1]["attachments"]
    assert second == elsewhere
    assert (first["name"], first["contentType"]) == ("kept", "image/png")
    assert (await channel.call("GET", first["contentUrl"], token=None)).body == b"PNG"
