"""The entity half of the durable HTTP API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local.host import jsontext, paging, status_view
from local.host.api_request import ApiRequest
from local.host.client import Client, NotFoundError
from local.host.http_errors import ApiError, empty, json_response, parsed_json
from local.host.playback import UnknownNameError
from local.host.services import Services

EMPTY_KEY = "$"


class EntityApi:
    def __init__(self, client: Client, services: Services) -> None:
        self._client = client
        self._services = services

    def route(self, method: str, rest: tuple[str, ...]) -> Callable[[ApiRequest], Awaitable[web.Response]] | None:
        if len(rest) > 2:
            return None
        if method == "GET":
            return self._read if len(rest) == 2 else self._list
        if method in ("POST", "DELETE") and rest:
            return self._signal
        return None

    async def _read(self, api: ApiRequest) -> web.Response:
        entity = self._client.queries.entity(_entity_id(api))
        if entity is None:
            raise NotFoundError(_entity_id(api))
        return json_response(jsontext.parsed_or_text(entity.state))

    async def _list(self, api: ApiRequest) -> web.Response:
        name = api.segments[1].lower() if len(api.segments) > 1 else None
        prefix = "@" if name is None else f"@{name}@"
        page, more = self._client.queries.entities(prefix, paging.start(api), api.whole("top", 100))
        fetch_state = api.flag("fetchState", default=False)
        body = [status_view.entity_body(entity, fetch_state=fetch_state) for entity in page]
        return json_response(body, 200, {paging.TOKEN: paging.token(more)})

    async def _signal(self, api: ApiRequest) -> web.Response:
        entity_id = _entity_id(api)
        try:
            self._services.registry.require_entity(api.segments[1])
        except UnknownNameError as error:
            raise ApiError(400, str(error)) from error
        if api.method == "DELETE":
            await self._client.signal_soon(entity_id, "delete", '""')
            return empty(202)
        await self._client.signal_soon(entity_id, api.text("op") or "", await _operation_input(api))
        return empty(202)


async def _operation_input(api: ApiRequest) -> str | None:
    """The JSON of a signal's body; a body of another content type is a text."""
    body = await api.request.read()
    if not body:
        return None
    if api.request.content_type.lower() != "application/json":
        return jsontext.dumps(body.decode(errors="replace"))
    try:
        return parsed_json(body) or None
    except ApiError as error:
        raise ApiError(400, f"Could not parse JSON content: {error.exception}") from error


def _entity_id(api: ApiRequest) -> str:
    key = api.segments[2] if len(api.segments) > 2 else ""
    return f"@{api.segments[1].lower()}@{'' if key == EMPTY_KEY else key}"
