"""Web Chat in headless Chromium: what a person does, and what they see."""

import asyncio
import re

import pytest

from tests.browser.conftest import SCREENSHOTS
from tests.local_channel import Client

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


@pytest.fixture
async def site(tmp_path, bot, bundle):
    client = Client(tmp_path / "state", bot, webchat=bundle)
    await client.start()
    client.long_bot = LongBot(bot)
    yield client
    await client.stop()


@pytest.fixture
async def open_page(browser, site):
    contexts = []

    async def opened(*, width=1280, height=800, scheme="light"):
        context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = await context.new_page()
        page.foreign, page.errors = [], []
        page.on("request", lambda request: _note_foreign(page, site, request.url))
        page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        await page.goto(site.url)
        await page.locator(INPUT).wait_for()
        return page

    yield opened
    for context in contexts:
        await context.close()


def _note_foreign(page, site, url):
    if not url.startswith((site.url, site.url.replace("http", "ws"), "blob:", "data:")):
        page.foreign.append(url)


async def say(page, text):
    await page.locator(INPUT).fill(text)
    await page.locator(INPUT).press("Enter")


async def see(page, text, seconds=15):
    await page.get_by_text(text).first.wait_for(timeout=seconds * 1000)


async def shot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.wait_for_timeout(400)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")


async def test_a_whole_chat(site, open_page, tmp_path):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await page.locator("button.webchat__suggested-action").first.wait_for()
    await shot(page, "webchat-greeting")
    await page.locator("button.webchat__suggested-action", has_text="Help").click()
    await see(page, "You said Help.")
    await page.locator(".ac-pushButton", has_text="Analyze a file").first.click()
    await see(page, "Chosen: analyze-file.")
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n2,y\n3,z\n")
    await page.locator("input[type=file]").set_input_files(path)
    await page.locator(INPUT).press("Enter")
    await see(page, "One moment please: analysing rows.csv.")
    await say(page, "how far?")
    await see(page, "Still working: 40 %")
    await shot(page, "webchat-still-working")
    site.long_bot.finish.set()
    await see(page, "Mean of a")
    await shot(page, "webchat-result")
    await page.reload()
    await see(page, "You said hi.")
    await see(page, "Mean of a")
    assert await page.get_by_text("Send failed").count() == 0
    assert page.foreign == []
    assert [error for error in page.errors if "Content Security Policy" in error] == []
    sent = [activity for activity in site.bot.of_type("message") if activity.get("attachments")]
    served = await site.call("GET", sent[0]["attachments"][0]["contentUrl"], token=None)
    assert served.body == path.read_bytes()


async def test_the_wire_pane_shows_both_directions_and_failures(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await page.locator("#entries li", has_text="message · hi").wait_for()
    await page.locator("#entries li", has_text="Hello. You said hi.").locator("summary").click()
    await page.locator("#entries pre", has_text='"suggestedActions"').wait_for()
    await shot(page, "webchat-wire")
    site.bot.status = 500
    site.bot.on_message = None
    await say(page, "break")
    await page.locator("#entries .note", has_text="HTTP 500").first.wait_for()
    await page.locator(".webchat__activity-status", has_text=re.compile("failed", re.IGNORECASE)).first.wait_for()


async def test_the_footer_counts_this_chat_or_all(site, open_page):
    other, token, _ = await site.open("dl_other")
    for text in ("one", "two"):
        await site.say(other, token, text)
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    footer = page.locator("#account")
    await footer.filter(has_text="in this chat: 1 asked").wait_for()
    await page.locator("#mine").uncheck()
    await footer.filter(has_text="Sends of the bot: 3 asked").wait_for()
    await page.locator("#mine").check()
    await footer.filter(has_text="in this chat: 1 asked").wait_for()


async def test_a_message_changed_and_one_taken_back_in_the_teams_like_channel(site, open_page):
    page = await open_page()
    async with page.expect_navigation():
        await page.locator("#channel").select_option("msteams")
    await page.locator(INPUT).wait_for()
    await say(page, "hi")
    await see(page, "You said hi.")
    question = site.bot.of_type("message")[-1]
    assert question["channelId"] == "msteams"
    _, progress = await site.bot.say(question, "working: 10 %")
    _, mistake = await site.bot.say(question, "a mistake")
    await see(page, "working: 10 %")
    await see(page, "a mistake")
    await site.bot.call("PUT", question, f"/activities/{progress['id']}", {"type": "message", "text": "working: 90 %"})
    await site.bot.call("DELETE", question, f"/activities/{mistake['id']}")
    await see(page, "working: 90 %")
    transcript = page.locator(".webchat__basic-transcript__activity")
    for gone in ("working: 10 %", "a mistake"):
        await transcript.filter(has_text=gone).first.wait_for(state="detached")
    await page.reload()
    await see(page, "working: 90 %")
    assert await transcript.filter(has_text="a mistake").count() == 0


async def test_users_and_conversations_are_switched(site, open_page):
    page = await open_page()
    await say(page, "first")
    await see(page, "You said first.")
    await page.locator("#user").fill("dl_bob")
    async with page.expect_navigation():
        await page.locator("#user").press("Enter")
    await page.locator(INPUT).wait_for()
    await say(page, "second")
    await see(page, "You said second.")
    transcript = page.locator(".webchat__basic-transcript__activity")
    assert await transcript.filter(has_text="You said first.").count() == 0
    assert {activity["from"]["id"] for activity in site.bot.of_type("message")} == {"dl_you", "dl_bob"}
    async with page.expect_navigation():
        await page.locator("#fresh").click()
    await page.locator(INPUT).wait_for()
    assert await transcript.filter(has_text="You said second.").count() == 0


async def test_a_link_opens_a_group_as_one_of_its_people(site, open_page):
    people = [{"id": "ann"}, {"id": "bob"}]
    made = await site.dl("POST", "/conversations", {"channelId": "msteams", "isGroup": True, "members": people})
    conversation = made.body["conversationId"]
    page = await open_page()
    await page.goto(f"{site.url}/?conversation={conversation}&channel=msteams&user=bob")
    await page.locator(INPUT).wait_for()
    await say(page, "@Bot hi")
    await see(page, "You said")
    (message,) = site.bot.of_type("message")
    assert (message["from"]["id"], message["conversation"]["id"]) == ("bob", conversation)
    await page.reload()
    await see(page, "You said")
    assert "conversation=" not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone(site, open_page, scheme):
    page = await open_page(width=390, height=844, scheme=scheme)
    await say(page, "hi")
    await see(page, "You said hi.")
    await shot(page, f"phone-{scheme}")
    await page.locator('[data-show="wire"]').click()
    await page.locator("#entries li", has_text="message · hi").wait_for()
    assert not await page.locator("#chat").is_visible()
    await page.locator('[data-show="outbox"]').click()
    await see(page, "No Outbox is here")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


async def test_in_the_dark(site, open_page):
    page = await open_page(scheme="dark")
    await say(page, "hi")
    await see(page, "You said hi.")
    await shot(page, "webchat-dark")


async def test_without_the_bundle_the_page_says_what_to_do(browser, channel):
    page = await browser.new_page()
    await page.goto(channel.url)
    await see(page, "python3 -m local.channel.webchat fetch --into")
    await page.close()
