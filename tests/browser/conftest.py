import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.channel import webchat
from tests.browser.person import INPUT, LongBot
from tests.local_channel import ROOT, Client, bot, channel

__all__ = ["bot", "channel"]
HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
INSTALL = "npm install --prefix tests/browser --ignore-scripts --no-package-lock"


class DirectLineJS:
    """The npm package in a process of its own; `events` is all that it said so far."""

    def __init__(self, **options):
        self.options = options
        self.events = []
        self._process = None
        self._reader = None

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        command = ("node", str(HERE / "clients" / "directline.mjs"), json.dumps(self.options))
        self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 22)
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader
        self._process.stdin.close()

    async def _read(self):
        async for line in self._process.stdout:
            self.events.append(json.loads(line))

    async def post(self, activity):
        self._process.stdin.write(json.dumps({"post": activity}).encode() + b"\n")
        await self._process.stdin.drain()

    def of(self, name):
        return [event[name] for event in self.events if name in event]

    def texts(self):
        return [activity.get("text") for activity in self.of("activity") if activity["type"] == "message"]

    async def until(self, condition, seconds=30.0):
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"did not come: {self.events}")


@pytest.fixture(scope="session")
def directlinejs():
    """DirectLineJS of tests/browser/package.json; installed when npm is there."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("SKIPPED FOR WANT OF A CLIENT: Node.js with npm is not installed")
    if not (HERE / "node_modules" / "botframework-directlinejs").is_dir():
        done = subprocess.run(INSTALL.split(), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            pytest.skip(f"SKIPPED FOR WANT OF A CLIENT: `{INSTALL}` failed: {done.stderr[-300:]}")
    return DirectLineJS


@pytest.fixture(scope="session")
def bundle():
    """The folder of webchat.js: WEBCHAT_DIR, else the one of `dev.py up`; fetched when npm is there."""
    folder = Path(os.environ.get("WEBCHAT_DIR") or ROOT / ".local" / "webchat")
    try:
        webchat.fetch(folder, print)
    except webchat.WebChatError as error:
        pytest.skip(f"SKIPPED FOR WANT OF A CLIENT: {error}")
    return folder


@pytest.fixture
async def browser():
    if not CHROMIUM:
        pytest.skip("SKIPPED FOR WANT OF A CLIENT: Chromium is not installed (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.async_api", reason="SKIPPED FOR WANT OF A CLIENT: no playwright")
    async with playwright.async_playwright() as started:
        opened = await started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
def site_options():
    """Options of the channel, for tests to override."""
    return {}


@pytest.fixture
async def site(tmp_path, bot, bundle, site_options):
    client = Client(tmp_path / "state", bot, webchat=bundle, **site_options)
    await client.start()
    client.long_bot = LongBot(bot)
    yield client
    await client.stop()


@pytest.fixture
async def open_page(browser, site):
    contexts = []

    async def opened(*, width=1280, height=800, scheme="light"):
        viewport, may = {"width": width, "height": height}, ["clipboard-read", "clipboard-write"]
        context = await browser.new_context(viewport=viewport, color_scheme=scheme, permissions=may)
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
