"""`/runtime/webhooks/EventGrid?functionName=…`: the handshake, and events one by one to the function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local.host import jsontext, trigger_data
from local.host.functions import Function
from local.host.http_errors import empty, json_response
from local.host.keys import Keys, Level
from local.host.services import Services

Deliver = Callable[[Function, Any], Awaitable[None]]
HANDSHAKE = "Microsoft.EventGrid.SubscriptionValidationEvent"


class EventGridWebhook:
    def __init__(self, services: Services, keys: Keys, deliver: Deliver) -> None:
        self._services = services
        self._keys = keys
        self._deliver = deliver

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self._keys.allows(request, Level.SYSTEM, self._keys.event_grid):
            return empty(401)
        if request.method == "OPTIONS":
            # The handshake of the CloudEvents schema.
            origin = request.headers.get("WebHook-Request-Origin", "*")
            return empty(200, {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "120"})
        function = self._function(request)
        if function is None:
            return json_response({"error": "cannot find function: name it with ?functionName="}, 404)
        try:
            events = jsontext.loads(await request.text())
        except ValueError:
            return json_response({"error": "the body is no JSON"}, 400)
        events = events if isinstance(events, list) else [events]
        if not all(isinstance(event, dict) for event in events):
            return json_response({"error": "each event must be a JSON object"}, 400)
        if request.headers.get("aeg-event-type", "").lower() == "subscriptionvalidation" or _is_handshake(events):
            data = events[0].get("data") if events else None
            code = data.get("validationCode") if isinstance(data, dict) else None
            if code is None:
                return json_response({"error": "the handshake names no data.validationCode"}, 400)
            return json_response({"validationResponse": code})
        return await self._deliver_all(function, events)

    def _function(self, request: web.Request) -> Function | None:
        name = next((value for key, value in request.query.items() if key.lower() == "functionname"), "")
        function = self._services.registry.find(name)
        return function if function is not None and function.kind == "eventGridTrigger" else None

    async def _deliver_all(self, function: Function, events: list[Any]) -> web.StreamResponse:
        """202 when all ran; 500, upon which Event Grid sends them again, when one failed."""
        runs = [self._deliver(function, trigger_data.from_text("eventGridTrigger", jsontext.dumps(e))) for e in events]
        ended = await asyncio.gather(*runs, return_exceptions=True)
        return empty(500 if any(isinstance(end, BaseException) for end in ended) else 202)


def _is_handshake(events: list[Any]) -> bool:
    return len(events) == 1 and events[0].get("eventType") == HANDSHAKE
