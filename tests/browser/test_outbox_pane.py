"""The pane of e-mails and text messages."""

import pytest
from aiohttp import web

from tests.browser.person import shot

SCRIPT = "<script>document.body.textContent = 'a script ran'</script>"


def mail(number, **more):
    at = f"2026-01-02T03:04:{number % 60:02}Z"
    return {"id": number, "kind": "email", "to": "ann@example.org", "subject": f"Order {number}", "text": "", "html": "",
            "at": at, **more}  # fmt: skip


@pytest.fixture
async def outbox():
    """A stand-in: its URL, its messages, to be added to, and who asked it for a picture."""
    messages, seen = [], []

    async def listing(_):
        return web.json_response({"messages": messages})

    async def pixel(request):
        seen.append(request.path)
        return web.Response(content_type="image/svg+xml", text="<svg xmlns='http://www.w3.org/2000/svg'/>")

    app = web.Application()
    app.router.add_get("/outbox", listing)
    app.router.add_get("/pixel.svg", pixel)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/outbox", messages, seen
    await runner.cleanup()


@pytest.fixture
def site_options(outbox):
    return {"outbox": outbox[0]}


async def test_an_email_of_html_is_shown_where_it_can_do_nothing(outbox, site, open_page):
    url, messages, seen = outbox
    messages.append(mail(7, html=f"<h1>On its way</h1>{SCRIPT}<img src={url.replace('outbox', 'pixel.svg')} alt=''>"))
    page = await open_page()
    await page.locator('[data-show="outbox"]').click()
    frame = page.frame_locator("#messages iframe")
    await frame.get_by_text("On its way").wait_for()
    await shot(page, "webchat-outbox")
    assert await frame.locator("body").inner_text() == "On its way"
    await page.frames[1].wait_for_load_state()
    assert seen == []
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


async def test_messages_in_another_order_are_shown_once(outbox, site, open_page):
    outbox[1].extend([mail(1), mail(2)])
    page = await open_page()
    await page.locator('[data-show="outbox"]').click()
    shown = page.locator("#messages li")
    await shown.first.filter(has_text="Order 2").wait_for()
    outbox[1].reverse()
    await shown.first.filter(has_text="Order 1").wait_for()
    assert await shown.count() == 2


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
