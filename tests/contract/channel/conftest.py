import pytest

from tests.local_channel import ROOT, SECRET, Client, Program, bot, channel, free_port, program

__all__ = ["ROOT", "SECRET", "Client", "Program", "bot", "channel", "free_port", "program"]


@pytest.fixture
async def question(channel, bot):
    """A person's message as the bot was told of it, to be answered; the bot answers nothing by itself."""
    conversation, token, _ = await channel.open()
    bot.echoes = False
    await channel.say(conversation, token, "hi")
    return bot.of_type("message")[0]
