"""Web Chat in headless Chromium: what a person does, and what they see."""

import pytest

from tests.browser.person import INPUT, say, see, shot


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
    assert page.errors == []
    sent = [activity for activity in site.bot.of_type("message") if activity.get("attachments")]
    served = await site.call("GET", sent[0]["attachments"][0]["contentUrl"], token=None)
    assert served.body == path.read_bytes()


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
