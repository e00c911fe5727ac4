"""When and how the bot is told who is in a conversation."""

import asyncio

import aiohttp
from aiohttp import web

from local.channel.context import CHANNEL
from local.channel.store import Member


async def test_a_known_user_is_announced_with_the_bot(channel, bot):
    conversation, _, _ = await channel.open(locale="de-DE")
    (update,) = await bot.heard("conversationUpdate")
    assert [member["id"] for member in update["membersAdded"]] == ["bot", "dl_ann"]
    assert update["locale"] == "de-DE"
    assert update["from"]["id"] == "dl_ann"
    assert update["conversation"] == {"id": conversation}
    assert update["channelId"] == "directline"
    assert update["serviceUrl"] == channel.url
    assert update["recipient"]["id"] == "bot"


async def test_a_locale_that_is_no_string_is_ignored(channel, bot):
    await channel.open(locale=7)
    (update,) = await bot.heard("conversationUpdate")
    assert "locale" not in update


async def test_an_unknown_user_is_announced_just_before_their_first_activity(channel, bot):
    conversation, token, _ = await channel.open(user=None)
    await bot.heard("conversationUpdate")
    await channel.say(conversation, token, "hi")
    await channel.say(conversation, token, "again")
    kinds = [activity["type"] for activity in bot.received]
    assert kinds == ["conversationUpdate", "conversationUpdate", "message", "message"]
    added = [[member["id"] for member in update["membersAdded"]] for update in bot.of_type("conversationUpdate")]
    assert added == [["bot"], ["dl_ann"]]
    assert bot.received[0]["from"]["id"] == conversation


async def test_a_bot_that_was_down_at_the_start_hears_of_its_members_later(channel, bot):
    address = bot.url
    port = int(address.split(":")[2].split("/")[0])
    await bot.stop()
    conversation, token, _ = await channel.open()
    assert (await channel.say(conversation, token, "hi")).status == 502
    await _start_on(bot, port)
    assert (await channel.say(conversation, token, "hi")).status == 200
    assert [activity["type"] for activity in bot.received] == ["conversationUpdate", "message"]


async def test_a_bot_that_comes_up_later_greets_without_being_asked(channel, bot):
    port = int(bot.url.split(":")[2].split("/")[0])
    await bot.stop()
    await channel.open()
    await asyncio.sleep(0.2)
    await _start_on(bot, port)
    assert len(await bot.heard("conversationUpdate")) == 1


async def _start_on(bot, port):
    app = web.Application()
    app.router.add_post("/api/messages", bot._messages)
    bot._runner = web.AppRunner(app)
    await bot._runner.setup()
    await web.TCPSite(bot._runner, "127.0.0.1", port, reuse_address=True).start()
    bot._session = aiohttp.ClientSession()


async def test_who_joins_as_an_announcement_ends_is_announced_once(channel, bot, monkeypatch):
    """Whoever waits for that end and who joins then must not both tell of the newcomer."""
    served = channel.runner.app[CHANNEL]
    told, gate = [], asyncio.Event()

    async def post(activity, _):
        told.append(activity)
        await asyncio.sleep(0)
        await gate.wait()
        return []

    monkeypatch.setattr(served.bot, "post", post)
    conversation = served.conversation((await channel.open())[0])
    while not told:
        await asyncio.sleep(0)

    def say(user):
        message = {"type": "message", "text": "hi", "from": {"id": user}}
        return asyncio.ensure_future(served.turns.user_activity(conversation, message, Member(user, "", "user")))

    waiting = say("dl_ann")
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(waiting, say("dl_bob"))
    added = [member["id"] for activity in told for member in activity.get("membersAdded", ())]
    assert sorted(added) == ["bot", "dl_ann", "dl_bob"]
