"""The pane of e-mails and text messages."""

import pytest
from aiohttp import web

from tests.browser.person import shot

HOSTILE = "<script>document.body.textContent = 'a script ran'</script><img src=http://evil.test/x alt=''>"


def mail(number, **more):
    at = f"2026-01-02T03:04:{number % 60:02}Z"
    return {"id": number, "kind": "email", "to": "ann@example.org", "subject": f"Order {number}", "text": "", "html": "",
            "at": at, **more}  # fmt: skip


@pytest.fixture
async def outbox():
    """A stand-in's messages, to be added to."""
    messages = []

    async def listing(_):
        return web.json_response({"messages": messages})

    app = web.Application()
    app.router.add_get("/outbox", listing)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/outbox", messages
    await runner.cleanup()


@pytest.fixture
def site_options(outbox):
    return {"outbox": outbox[0]}


async def test_an_email_of_html_is_shown_where_it_can_do_nothing(outbox, site, open_page):
    outbox[1].append(mail(7, html=f"<h1>On its way</h1>{HOSTILE}"))
    page = await open_page()
    page.finished = []
    page.on("requestfinished", lambda request: page.finished.append(request.url))
    await page.locator('[data-show="outbox"]').click()
    frame = page.frame_locator("#messages iframe")
    await frame.get_by_text("On its way").wait_for()
    await shot(page, "webchat-outbox")
    assert await frame.locator("body").inner_text() == "On its way"
    assert [url for url in page.finished if "evil" in url] == []
    served = await site.call("GET", "/page/outbox/7", token=None)
    assert served.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


async def test_what_is_shown_stays_when_more_comes(outbox, site, open_page):
    outbox[1].append(mail(1, html="<p>first</p>"))
    page = await open_page()
    await page.locator('[data-show="outbox"]').click()
    await page.frame_locator("#messages iframe").get_by_text("first").wait_for()
    await page.evaluate("document.querySelector('#messages iframe').dataset.same = 'yes'")
    outbox[1].append({"id": 2, "kind": "sms", "to": "+49151", "text": "second", "at": "2026-01-02T03:05:00Z"})
    await page.locator("#messages li", has_text="second").wait_for()
    assert await page.locator("#messages li").count() == 2
    assert "second" in await page.locator("#messages li").first.inner_text()
    assert await page.locator("#messages iframe").get_attribute("data-same") == "yes"


async def test_the_newest_two_hundred_of_many_large_ones(outbox, site, open_page):
    outbox[1].extend(mail(number, html="<p>large</p>" + "x" * 40_000) for number in range(1, 251))
    page = await open_page(width=390, height=844)
    await page.locator('[data-show="outbox"]').click()
    await page.locator("#messages li", has_text="Order 250").wait_for()
    assert await page.locator("#messages li").count() == 200


async def test_long_names_stay_inside(outbox, site, open_page):
    outbox[1].append(mail(1, to="a" * 200 + "@example.org", subject="s" * 200, text="t" * 500))
    page = await open_page(width=390, height=844)
    await page.locator('[data-show="outbox"]').click()
    pane = page.locator("#messages")
    await pane.locator("li").wait_for()
    assert await pane.evaluate("it => it.scrollWidth <= it.clientWidth")


async def test_an_outbox_without_html_of_that_number(outbox, site):
    outbox[1].append(mail(1))
    for number in ("1x", "2", "%2e%2e"):
        assert (await site.call("GET", f"/page/outbox/{number}", token=None)).status == 404
