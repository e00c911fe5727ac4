"""The pane of the activities on the wire, and the page by keyboard."""

import asyncio
import json
import re

from local.channel.wire_log import BODY_LIMIT
from tests.browser.person import say, see, shot


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


async def test_the_wire_pane_finds_and_copies(site, open_page):
    page = await open_page()
    shown = page.locator("#entries li:visible")
    for text in ("first", "second"):
        await say(page, text)
        await see(page, f"You said {text}.")
    await shown.filter(has_text="You said second.").wait_for()
    # Not in the line that is shown, but in the activity.
    await page.locator("#find").fill("SUGGESTEDactions")
    await shown.filter(has_text="conversationUpdate").wait_for(state="detached")
    assert await shown.count() == 2
    await page.locator("#find").fill("nothing has this")
    await see(page, "Nothing of this on the wire.")
    await page.locator("#find").fill("You said second.")
    await shown.locator("summary").click()
    await page.evaluate("navigator.clipboard.writeText('')")
    await shown.locator(".copy").first.click()
    handle = await page.wait_for_function("() => navigator.clipboard.readText()", polling=100)
    copied = json.loads(await handle.json_value())
    assert copied["text"] == "Hello. You said second."
    await page.locator("#clear").click()
    await see(page, "Nothing went over the wire yet.")


async def test_the_wire_pane_shows_hundreds_of_activities_and_the_beginning_of_a_huge_one(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    question = site.bot.of_type("message")[0]
    for number in range(410):
        await site.bot.say(question, f"number {number}")
    await site.bot.say(question, "huge " * (BODY_LIMIT // 4))
    huge = page.locator("#entries li").last
    await huge.filter(has_text="huge").wait_for()
    assert await page.locator("#entries li").count() == 400
    below = "it => it.scrollHeight - it.scrollTop - it.clientHeight"
    assert await page.locator("#entries").evaluate(below) < 40, "the pane follows"
    await huge.locator("summary").click()
    await huge.locator("pre", has_text=" bytes)").wait_for()


async def test_a_restarted_channel_goes_on_in_the_wire_pane(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await site.stop()
    await page.locator("#trouble", has_text="The channel does not answer.").wait_for()
    await site.start()
    # The pane has not heard of the channel yet: more goes over the wire than it knew before.
    question = site.bot.of_type("message")[0]
    for number in range(9):
        await site.bot.say(question, f"while away {number}")
    told = page.locator("#entries li", has_text="while away")
    await told.nth(8).wait_for(state="attached")
    await page.locator("#trouble").wait_for(state="hidden")
    assert await told.count() == 9


async def test_the_wire_pane_goes_on_after_an_answer_that_is_an_error(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await page.locator("#entries li", has_text="You said hi.").wait_for()

    async def refuse(route):
        await route.fulfill(status=502, body="a proxy")

    await site.stop()
    await page.route("**/admin/wire/stream*", refuse)
    async with page.expect_response(lambda answer: answer.status == 502, timeout=60_000):
        await site.start()
    await page.unroute("**/admin/wire/stream*", refuse)
    await site.bot.say(site.bot.of_type("message")[0], "after the proxy")
    await page.locator("#entries li", has_text="after the proxy").wait_for()
    await page.locator("#trouble").wait_for(state="hidden")
    assert await page.locator("#entries li", has_text="You said hi.").count() == 1


async def test_the_wire_pane_shows_this_chat_as_soon_as_it_is_known(site, open_page):
    page = await open_page()
    # The channel finds the conversation in Teams of a person, whose browser need not know it.
    forget = "localStorage['bot-chat'] = JSON.stringify({ channelId: 'msteams' })"
    await page.evaluate(forget)
    await page.reload()
    await say(page, "hi")
    await see(page, "You said hi.")
    known = asyncio.Event()

    async def late(route):
        await known.wait()
        await route.continue_()

    # The pane hears of what went over the wire before the page hears which chat it shows.
    await page.route("**/page/token", late)
    await page.evaluate(forget)
    await page.reload()
    entry = page.locator("#entries li", has_text="You said hi.")
    await entry.wait_for(state="attached")
    assert not await entry.is_visible()
    known.set()
    await entry.wait_for()


async def test_every_control_is_reached_by_the_keyboard_and_has_a_name(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await page.locator("#entries li", has_text="You said hi.").wait_for()
    await page.locator("#user").focus()
    reached = []
    for _ in range(60):
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.dataset.show || ''"))
        await page.keyboard.press("Tab")
    assert {"user", "channel", "fresh", "wire", "outbox", "mine", "find", "fault", "clear"} <= set(reached)
    for control in await page.locator(
        "header :is(input, select, button), aside:visible :is(input, select, button)"
    ).all():
        if await control.is_visible():
            name = await control.evaluate("it => (it.labels?.[0] || it).textContent || it.ariaLabel || it.placeholder")
            assert name.strip(), await control.evaluate("it => it.outerHTML")
    await page.locator("#entries summary").first.focus()
    await page.keyboard.press("Enter")
    await page.locator("#entries pre").first.wait_for()
