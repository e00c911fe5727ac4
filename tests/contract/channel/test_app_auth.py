"""--auth and the app's own door and sender: the settings that the channel prints are enough for both."""

import pytest

from local.channel.context import CHANNEL
from ringback.bot.authentication import Authenticator
from ringback.channels.http import close_session
from ringback.channels.tokens import token_source
from ringback.errors import RingbackError
from ringback.settings import read_settings
from tests.local_channel import Client


@pytest.fixture
async def channel(tmp_path, bot):
    client = Client(tmp_path / "state", bot, auth=True)
    await client.start()
    yield client
    await close_session()
    await client.stop()


async def test_the_app_trusts_the_channel_and_the_channel_the_app(channel, bot):
    authority = channel.runner.app[CHANNEL].authority
    settings = read_settings({**authority.settings, "SIGNING_KEY": "k" * 32})
    conversation, token, _ = await channel.open()
    bot.echoes = False
    await channel.say(conversation, token, "hi")
    activity, header = bot.of_type("message")[-1], bot.headers[-1]["Authorization"]
    door = Authenticator(settings)
    assert (await door.authenticate(header, activity)).is_authenticated
    with pytest.raises(RingbackError):
        await door.authenticate(header, {**activity, "serviceUrl": "http://127.0.0.1:1"})
    with pytest.raises(RingbackError):
        await door.authenticate(header[:-3] + "AAA", activity)
    bot.token = await token_source(settings.bot).token()
    assert (await bot.say(activity, "trusted"))[0] == 200
