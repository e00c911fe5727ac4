"""A bot of a few lines, with a switch for every way in which a bot can fail."""

import asyncio
import json
from urllib.parse import quote

import aiohttp
from aiohttp import web


class Bot:
    """Echoes messages through the connector; `received` is every activity that it was sent."""

    def __init__(self):
        self.received = []
        self.headers = []
        self.status = 200
        self.answer = {}
        self.delay = 0.0
        self.fails = {}
        self.echoes = True
        self.on_message = None
        self.url = ""
        self.token = ""
        self._runner = None
        self._session = None

    async def start(self):
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/api/messages", self._messages)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/messages"
        self._session = aiohttp.ClientSession()

    async def stop(self):
        if self._runner:
            await self._session.close()
            await self._runner.cleanup()
            self._runner = None
            # Cut connections are closed in the loop's next rounds.
            await asyncio.sleep(0.02)

    async def _messages(self, request):
        activity = await request.json()
        self.received.append(activity)
        self.headers.append(request.headers)
        if self.delay:
            await asyncio.sleep(self.delay)
        status = self.fails.get(activity["type"], self.status)
        if isinstance(self.answer, web.Response):
            return self.answer
        if self.on_message and activity["type"] == "message":
            await self.on_message(activity)
        if status == 200 and self.echoes and activity["type"] == "message":
            await self.say(activity, f"echo: {activity.get('text', '')}")
        return web.json_response(self.answer, status=status)

    async def call(self, method, activity, path, body=None):
        base = activity["serviceUrl"].rstrip("/")
        conversation = quote(activity["conversation"]["id"], safe="")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{base}/v3/conversations/{conversation}{path}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def say(self, activity, text, **more):
        body = {"type": "message", "text": text, "from": activity["recipient"], **more}
        return await self.call("POST", activity, "/activities", body)

    def of_type(self, kind):
        return [activity for activity in self.received if activity["type"] == kind]

    async def heard(self, kind, count=1, seconds=60.0):
        for _ in range(int(seconds / 0.01)):
            if len(self.of_type(kind)) >= count:
                return self.of_type(kind)
            await asyncio.sleep(0.01)
        raise AssertionError(f"the bot heard {len(self.of_type(kind))} {kind}, not {count}: {self.received}")
