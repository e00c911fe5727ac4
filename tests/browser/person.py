"""A person at the Web Chat page, and a bot that works long."""

import asyncio

from tests.local_channel import ROOT

SCREENSHOTS = ROOT / "artefacts" / "screenshots"
INPUT = '[data-id="webchat-sendbox-input"]'
CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": [{"type": "TextBlock", "text": "What shall I do?", "wrap": True, "weight": "Bolder"}],
        "actions": [
            {"type": "Action.Submit", "title": "Analyze a file", "data": {"operation": "analyze-file"}},
            {"type": "Action.Submit", "title": "Run a job", "data": {"operation": "external-job"}},
        ],
    },
}
RESULT = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": [
            {"type": "TextBlock", "text": "rows.csv", "weight": "Bolder"},
            {"type": "FactSet", "facts": [{"title": "Rows", "value": "3"}, {"title": "Mean of a", "value": "2.00"}]},
        ],
    },
}
OFFER = {"actions": [{"type": "imBack", "title": title, "value": title} for title in ("Status", "Help")]}


class LongBot:
    """Offers operations; analyses files a moment later by itself; says meanwhile that it still works."""

    def __init__(self, bot):
        self.bot = bot
        self.tasks = set()
        self.working = False
        self.finish = asyncio.Event()
        bot.echoes = False
        bot.on_message = self.on_message

    async def on_message(self, activity):
        say = self.bot.say
        if activity.get("attachments"):
            self.working = True
            task = asyncio.ensure_future(self._work(activity))
            self.tasks.add(task)
            await say(activity, f"One moment please: analysing {activity['attachments'][0]['name']}.")
        elif activity.get("value"):
            await say(activity, f"Chosen: {activity['value']['operation']}. Send me the file.")
        elif self.working:
            await say(activity, "Still working: 40 %, parsing rows.", suggestedActions=OFFER)
        else:
            await say(activity, f"Hello. You said {activity['text']}.", suggestedActions=OFFER, attachments=[CARD])

    async def _work(self, activity):
        await self.finish.wait()
        self.working = False
        await self.bot.say(activity, "", attachments=[RESULT])


async def say(page, text):
    await page.locator(INPUT).fill(text)
    await page.locator(INPUT).press("Enter")


async def see(page, text, seconds=60):
    await page.get_by_text(text).first.wait_for(timeout=seconds * 1000)


async def shot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.wait_for_timeout(400)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")
