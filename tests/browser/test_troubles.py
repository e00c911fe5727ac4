"""What the page says and does when the bot, the channel or the token fails."""

import re

import pytest

from local.channel import tokens
from local.channel.errors import forbidden
from tests.browser.person import say, see


async def test_a_message_that_the_bot_did_not_take_is_told_at_once(site, open_page):
    page = await open_page()
    site.bot.status, site.bot.on_message = 500, None
    await say(page, "hi")
    await page.locator("#entries .note", has_text="HTTP 500").first.wait_for()
    # Web Chat gives up by itself after 20 s.
    retry = page.locator(".webchat__activity-status").get_by_role("button", name="Retry")
    await retry.wait_for(timeout=15_000)
    site.bot.status, site.bot.echoes = 200, True
    await retry.click()
    await page.locator("#chat").get_by_text("echo: hi").first.wait_for()


@pytest.mark.parametrize("refusals", [0, 1])
async def test_a_token_that_expired_is_renewed(site, open_page, monkeypatch, refusals):
    page = await open_page()
    await say(page, "one")
    await see(page, "You said one.")
    if refusals:
        await site.fault(preset="503", operations=["token"], times=refusals)
    verify, mint, expired = tokens.Tokens._verify, tokens.Tokens.mint, [True]

    def verified(self, token, audience):
        if expired and audience == "token":
            raise forbidden("The token has expired: generate a new one.", "TokenExpired")
        return verify(self, token, audience)

    def minted(self, access):
        expired.clear()
        return mint(self, access)

    monkeypatch.setattr(tokens.Tokens, "_verify", verified)
    monkeypatch.setattr(tokens.Tokens, "mint", minted)
    async with page.expect_websocket(timeout=60_000):
        await say(page, "two")
    await page.locator("#trouble").wait_for(state="hidden")
    retry = page.locator(".webchat__activity-status").get_by_role("button", name="Retry")
    await retry.click()
    await page.locator("#chat").get_by_text("You said two.").first.wait_for()
    assert await page.locator("#trouble").is_hidden()
    assert await page.locator("#chat").get_by_text("You said one.").count(), "it is the same conversation"


async def test_a_conversation_that_is_gone_makes_room_for_another(site, open_page):
    page = await open_page()
    await say(page, "one")
    await see(page, "You said one.")
    await site.stop()
    site.state = site.state.with_name("another")
    await site.start()
    async with page.expect_navigation():
        await say(page, "two")
    await say(page, "three")
    await see(page, "You said three.")
    assert await page.locator("#chat").get_by_text("You said one.").count() == 0


async def test_what_came_while_the_channel_was_away_is_shown_when_it_is_back(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    await site.stop()
    await see(page, "The channel does not answer.")
    await site.start()
    await site.bot.say(site.bot.of_type("message")[0], "while away")
    await page.locator("#chat").get_by_text("while away").first.wait_for(timeout=60_000)
    await page.locator("#trouble").wait_for(state="hidden")


async def test_a_channel_that_was_away_longer_than_the_client_looks_for_it(site, open_page):
    page = await open_page()
    await say(page, "hi")
    await see(page, "You said hi.")
    tokens_taken = []
    page.on("request", lambda request: tokens_taken.append(1) if request.url.endswith("/page/token") else None)
    await site.stop()
    await see(page, "The channel does not answer.")
    await page.evaluate("const now = Date.now; Date.now = () => now() + 15 * 60 * 1000")
    # The client of before may find the channel by itself: it is the one that asks from a later watermark than 0.
    await page.route(re.compile(r"/conversations/[^/?]+\?watermark=[1-9]"), lambda route: route.abort())
    async with page.expect_websocket(timeout=60_000), page.expect_request("**/page/token", timeout=60_000):
        await site.start()
    await say(page, "again")
    await page.locator("#chat").get_by_text("You said again.").first.wait_for()
    assert len(tokens_taken) == 1
