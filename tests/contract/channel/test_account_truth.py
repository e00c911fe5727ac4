"""The account against what the bot did and met, known to the test: under faults in any order, two at once, and kill -9."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import aiohttp
import pytest

# What a fault answers (0: nothing) and how many activities it keeps.
MET = {
    "none": (200, 1),
    "500": (500, 0),
    "504-taken": (504, 1),
    "drop": (0, 0),
    "drop-taken": (0, 1),
    "200-html": (200, 0),
    "twice": (200, 2),
}


class Known:
    """What the bot did, counted as docs/local-channel.md says."""

    def __init__(self):
        self.numbers = Counter()
        self.lines = {}

    def send(self, place, person, delivery, text, status, copies):
        line = self.lines.setdefault((person, delivery) if delivery else (place, text), [])
        if not line or (not delivery and line[-1][-1][0] == 200):
            line.append([])
        line[-1].append((status, copies))
        said = {200: "accepted", 0: "dropped"}.get(status, "refused")
        self.numbers.update(["asked", said, *["kept"] * copies])
        self.numbers["keptWithoutAYes"] += bool(copies) and status != 200

    def counted(self):
        numbers = Counter(self.numbers)
        for (_, key), line in self.lines.items():
            for tries in line:
                copies = sum(each for _, each in tries)
                numbers["messages"] += 1
                numbers["delivered" if copies else "undelivered"] += 1
                numbers["duplicated"] += max(copies - 1, 0)
                numbers["lost"] += not copies and any(status == 200 for status, _ in tries)
                numbers["guessed"] += len(tries) > 1 and not key.startswith("d")
            numbers["repeated"] += len(line) - 1
        return {name: count for name, count in numbers.items() if count}


async def met(channel, bot, question, fault, text, data):
    if fault == "twice":
        await channel.fault_once(twice=True)
    elif fault != "none":
        await channel.fault_once(preset=fault)
    with suppress(aiohttp.ClientError, ValueError):
        await bot.say(question, text, channelData=data)
    await channel.call("DELETE", "/admin/faults", token=None)


async def test_every_number_is_what_the_bot_met_and_so_is_its_list(channel, bot):
    dice, known, asked = random.Random(7), Known(), []
    bot.echoes = False
    for user in ("dl_ann", "dl_ann", "dl_bob"):
        conversation, token, _ = await channel.open(user)
        await channel.say(conversation, token, "hi")
        asked.append((user, bot.of_type("message")[-1]))
    for _ in range(150):
        (user, question), fault = dice.choice(asked), dice.choice(list(MET))
        delivery, text = dice.choice(["", "", "d1", "d2", "d3"]), dice.choice("xyz")
        await met(channel, bot, question, fault, text, {"deliveryId": delivery} if delivery else {})
        known.send(question["conversation"]["id"], user, delivery, text, *MET[fault])
    counts = await channel.account()
    by_status = counts.pop("byStatus")
    assert {name: count for name, count in counts.items() if count} == known.counted()
    assert sum(by_status.values()) == counts["asked"]
    places = [await channel.account(f"?conversation={question['conversation']['id']}") for _, question in asked]
    for name, count in counts.items():
        entries = (await channel.account(f"?list={name}&limit=1000"))["entries"]
        extra = {"kept": 0, "duplicated": 1}.get(name)
        assert count == sum(1 if extra is None else len(entry["activities"]) - extra for entry in entries), name
        if name in ("asked", "accepted", "refused", "dropped", "kept", "keptWithoutAYes"):
            assert count == sum(place[name] for place in places), name


async def test_the_same_delivery_by_many_at_once_is_one_message(channel, bot, question):
    await asyncio.gather(*(bot.say(question, "x", channelData={"deliveryId": "d"}) for _ in range(10)))
    counts = await channel.account()
    assert [counts[name] for name in ("asked", "messages", "delivered", "duplicated")] == [10, 1, 1, 9]


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("data", [{}, {"deliveryId": "d"}], ids=["guessed", "exact"])
async def test_a_send_that_the_channel_died_with_and_its_retry(program, bot, taken, data):
    conversation, token, _ = await program.open()
    bot.echoes = False
    await program.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    await program.fault_once(delay=600, taken=taken)
    dying = asyncio.ensure_future(bot.say(question, "x", channelData=data))
    while (await program.account())["keptWithoutAYes" if taken else "unanswered"] != 1:
        await asyncio.sleep(0.02)
    await program.restart()
    with pytest.raises(aiohttp.ClientError):
        await dying
    counts = await program.account()
    assert [counts[name] for name in ("asked", "unanswered", "kept", "undelivered")] == [1, 1, taken, not taken]
    assert (await bot.say(question, "x", channelData=data))[0] == 200
    counts = await program.account()
    names = ("asked", "messages", "delivered", "duplicated", "repeated", "guessed", "lost")
    assert [counts[name] for name in names] == [2, 1, 1, taken, 0, not data, 0]
