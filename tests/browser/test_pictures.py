"""The pictures of README, of Ringback itself: `cp artefacts/screenshots/readme/*.png docs/images/` renews them."""

import asyncio
import shutil
import time
from contextlib import suppress
from urllib.parse import quote

import pytest

from tests.browser.person import SCREENSHOTS, say, see
from tests.e2e.directline import HttpError, request
from tests.e2e.notifying import SECRET
from tests.e2e.stack import MANAGEMENT, ROOT, Stack

PICTURES = SCREENSHOTS / "readme"
LARGEST = 150_000
DESKTOP = {"width": 1110, "height": 690}
PHONE = {"width": 390, "height": 760}
CUSTOMER = {
    "name": "Ann",
    "email": "ann@example.org",
    "phone": "+4915123456789",
    "consents": [{"channel": channel, "category": "*", "source": "import"} for channel in ("email", "sms")],
}
SHIPPED = {
    "defaultLocale": "en",
    "schema": {
        "type": "object",
        "required": ["name", "order"],
        "properties": {"name": {"type": "string"}, "order": {"type": "string"}},
    },
    "variants": {
        "en": {
            "chat": {"text": "Hello {{ name }}, **order {{ order }}** is on its way.\n\nIt arrives on **Friday**."},
            "email": {
                "subject": "Order {{ order }} has shipped",
                "text": "Hello {{ name }}, **order {{ order }}** is on its way to you.\n\nIt arrives on **Friday**.",
            },
        }
    },
}


@pytest.fixture
async def stack(tmp_path, bundle):
    ours = ROOT / ".local" / "webchat"
    if bundle != ours:
        shutil.copytree(bundle, ours, dirs_exist_ok=True)
    made = Stack(tmp_path / "state")
    try:
        await asyncio.to_thread(made.start)
        yield made
    finally:
        await asyncio.to_thread(made.kill)


async def test_pictures(browser, stack):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = await opened(browser, DESKTOP)
    await page.goto(stack.channel)
    await see(page, "Hello! Ask me", 120)
    conversation = await talk(page, stack)
    await page.locator('[data-show="wire"]').click()
    await shot(page, "chat")
    await page.locator('[data-show="wire"]').click()
    await page.locator("#entries li", has_text="fence is green").last.locator("summary").click()
    await page.locator("#entries pre").first.wait_for()
    await shot(page, "wire")
    await asyncio.to_thread(notify, stack)
    await page.locator('[data-show="outbox"]').click()
    await page.frame_locator("#messages iframe").get_by_text("arrives on").first.wait_for()
    await page.locator("#messages li", has_text="SMS").wait_for()
    await shot(page, "outbox")
    phone = await opened(browser, PHONE)
    await phone.goto(f"{stack.channel}/?conversation={conversation}")
    await see(phone, "The fence is green.", 120)
    await shot(phone, "phone")


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.png")), ids=lambda path: path.stem)
def test_the_pictures_of_the_readme_load_fast(picture):
    assert picture.stat().st_size < LARGEST


async def opened(browser, viewport):
    context = await browser.new_context(viewport=viewport)
    # A stack that has just begun, beside other tests, takes its time.
    context.set_default_timeout(120_000)
    return await context.new_page()


async def talk(page, stack):
    transcript = page.locator("#chat")
    await say(page, "external-job paint the fence")
    await transcript.get_by_text("One moment please").first.wait_for()
    conversation = await page.evaluate("JSON.parse(localStorage['bot-chat']).conversations['directline dl_you']")
    token = await asyncio.to_thread(job_token, stack)
    answer(stack, conversation, token, progress={"percent": 40, "text": "second coat"})
    await page.locator("#entries li", has_text="event · LongOperationResponse").wait_for()
    await say(page, "how far is it?")
    await transcript.get_by_text("40 %").first.wait_for()
    answer(stack, conversation, token, result="The fence is green.")
    await transcript.get_by_text("The fence is green.").first.wait_for()
    return conversation


def job_token(stack):
    """What the other system would be told."""
    for _ in range(300):
        for job in request("GET", f"{stack.host}{MANAGEMENT}/instances"):
            # Not every instance is an operation.
            with suppress(HttpError):
                if external := stack.api("GET", f"operations/{job['instanceId']}").get("external"):
                    return external["token"]
        time.sleep(0.1)
    raise AssertionError("the job was not handed over")


def answer(stack, conversation, token, **value):
    event = {
        "type": "event",
        "name": "LongOperationResponse",
        "from": {"id": "dl_you"},
        "value": {"token": token, **value},
    }
    request("POST", f"{stack.channel}/v3/directline/conversations/{conversation}/activities", event, SECRET)


def notify(stack):
    stack.api("PUT", f"users/{quote('external:crm-7', safe='')}", CUSTOMER)
    stack.api("PUT", "templates/shipped", SHIPPED)
    to = {"to": {"externalId": "crm-7"}, "category": "orders"}
    data = {"name": "Ann", "order": "7"}
    stack.api("POST", "notifications", {**to, "template": "shipped", "data": data, "channels": ["email"]})
    stack.api("POST", "notifications", {**to, "text": "Order 7 arrives on Friday.", "channels": ["sms"]})


async def shot(page, name):
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        # The transcript is drawn anew in the other colours, and scrolls to its end.
        await page.wait_for_timeout(1500)
        path = PICTURES / f"{name}-{scheme}.png"
        await page.screenshot(path=path)
