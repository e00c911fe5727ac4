"""The durable HTTP API: `/runtime/webhooks/durabletask` for everybody, the local RPC endpoint for the Python client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from local.host import http_errors, paging, status_view
from local.host.api_request import ApiRequest
from local.host.client import Client, GoneError, NotFoundError, WrongStateError
from local.host.client_binding import ClientUrls
from local.host.commands import Status
from local.host.entity_api import EntityApi
from local.host.http_errors import ApiError, empty, json_response, parsed_json
from local.host.queries import InstanceFilter
from local.host.records import Instance
from local.host.services import Services
from local.host.store import InstanceExistsError

Handler = Callable[[ApiRequest], Awaitable[web.Response]]


class ManagementApi:
    def __init__(self, client: Client, services: Services, urls: ClientUrls) -> None:
        self._client = client
        self._urls = urls
        self.entities = EntityApi(client, services)
        self._operations: dict[str, Handler] = {
            "terminate": self._terminate,
            "suspend": self._suspend,
            "resume": self._resume,
            "rewind": self._rewind,
            "restart": self._restart,
        }

    async def handle(self, request: web.Request, root: str) -> web.Response:
        """Answer a request below `root`."""
        api = ApiRequest.of(request, root)
        handler = self._route(api)
        if handler is None:
            return empty(404)
        try:
            return await handler(api)
        except NotFoundError:
            return empty(404)
        except GoneError:
            return empty(410)
        except WrongStateError as error:
            failed = ApiError(500, http_errors.BROKE, str(error), "System.InvalidOperationException")
            return failed.response()
        except InstanceExistsError as error:
            return json_response({"Message": str(error)}, 409)
        except ApiError as error:
            return error.response()

    def _route(self, api: ApiRequest) -> Handler | None:
        if not api.segments:
            return None
        kind, rest, method = api.segments[0].lower(), api.segments[1:], api.method
        if kind == "orchestrators" and method == "POST" and len(rest) in (1, 2):
            return self._start
        if kind == "instances":
            return self._instance_route(method, rest)
        if kind == "entities":
            return self.entities.route(method, rest)
        if kind == "makeprimary" and method in ("GET", "POST") and not rest:
            return self._make_primary
        return None

    def _instance_route(self, method: str, rest: tuple[str, ...]) -> Handler | None:
        if not rest:
            return {"GET": self._list, "DELETE": self._purge_many}.get(method)
        if len(rest) == 1:
            return {"GET": self._status, "DELETE": self._purge}.get(method)
        if method == "POST" and len(rest) == 2:
            return self._operations.get(rest[1].lower())
        if method == "POST" and len(rest) == 3 and rest[1].lower() == "raiseevent":
            return self._raise_event
        return None

    # -- start

    async def _start(self, api: ApiRequest) -> web.Response:
        name = api.segments[1]
        wanted = api.segments[2] if len(api.segments) > 2 else None
        timeout, interval = api.number("timeout"), api.number("pollingInterval")
        input_text = parsed_json(await api.request.read())
        instance_id = await self._client.start_soon(
            name, wanted, None if input_text in ("", "null") else input_text, api.text("version")
        )
        if timeout is not None and interval is not None and timeout < interval:
            # As in the real host, after the start.
            raise ApiError(400, f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}")
        if timeout and interval:
            finished = await self._wait(instance_id, timeout, interval)
            if finished is not None:
                return _finished(finished)
        body = self._urls.created(api.base, instance_id, api.text("taskHub"), api.text("connection"))
        return json_response(body, 202, {"Location": body["statusQueryGetUri"], "Retry-After": "10"})

    async def _wait(self, instance_id: str, timeout: float, interval: float) -> Instance | None:
        end = time.monotonic() + timeout
        while True:
            instance = self._client.get(instance_id)
            if instance is None or instance.status.is_final:
                return instance
            left = end - time.monotonic()
            if left <= 0:
                return None
            await asyncio.sleep(min(interval, left))

    # -- one instance

    async def _status(self, api: ApiRequest) -> web.Response:
        instance_id = api.segments[1]
        instance = self._client.get(instance_id)
        show_input = api.flag("showInput", default=True)
        again = {"Location": api.location, "Retry-After": "5"}
        if instance is None:
            entity = self._client.queries.entity(instance_id)
            if entity is None:
                raise NotFoundError(instance_id)
            return json_response(status_view.entity_as_instance(entity), 202, again)
        events = None
        parts = self._client.queries.history(instance_id) if api.flag("showHistory", default=False) else []
        if parts:
            events = status_view.history_view(
                parts,
                show_output=api.flag("showHistoryOutput", default=False),
                show_input=show_input,
            )
        body = status_view.status_body(instance, show_input=show_input, events=events)
        if not instance.status.is_final:
            return json_response(body, 202, again)
        broken = instance.status is Status.FAILED and api.flag("returnInternalServerErrorOnFailure", default=False)
        return json_response(body, 500 if broken else 200)

    async def _purge(self, api: ApiRequest) -> web.Response:
        instance_id = api.segments[1]
        instance = self._client.get(instance_id)
        if instance is not None and not instance.status.is_final:
            text = (
                f"Unable to purge orchestration instance '{instance_id}' as it is currently in the "
                f"{instance.status.label} state. Purging is only allowed for instances in a terminal state "
                f"(Completed, Failed or Terminated)."
            )
            return json_response(text, 412)
        if not self._client.queries.purge(instance_id):
            raise NotFoundError(instance_id)
        return json_response({"instancesDeleted": 1})

    async def _raise_event(self, api: ApiRequest) -> web.Response:
        instance = self._client.get(api.segments[1])
        if instance is None:
            raise NotFoundError(api.segments[1])
        if instance.status.is_final:
            raise GoneError(api.segments[1])
        if api.request.content_type.lower() != "application/json" or "Content-Type" not in api.request.headers:
            raise ApiError(400, "Only application/json request content is supported")
        text = parsed_json(await api.request.read())
        if not text:
            raise http_errors.empty_json()
        self._client.raise_event(api.segments[1], api.segments[3], text)
        return empty(202)

    async def _terminate(self, api: ApiRequest) -> web.Response:
        self._client.terminate(api.segments[1], api.text("reason"))
        return empty(202)

    async def _suspend(self, api: ApiRequest) -> web.Response:
        self._client.suspend(api.segments[1], api.text("reason"))
        return empty(202)

    async def _resume(self, api: ApiRequest) -> web.Response:
        self._client.resume(api.segments[1], api.text("reason"))
        return empty(202)

    async def _rewind(self, api: ApiRequest) -> web.Response:
        try:
            self._client.rewind(api.segments[1], api.text("reason"))
        except NotFoundError:
            return json_response(f'No orchestration with instance ID "${api.segments[1]}" found.', 404)
        except WrongStateError as error:
            return json_response(str(error), 412)
        return empty(202)

    async def _restart(self, api: ApiRequest) -> web.Response:
        new_id = api.flag("restartWithNewInstanceId", default=True)
        try:
            instance_id = self._client.restart(api.segments[1], new_id=new_id)
        except NotFoundError:
            text = f"No instance with ID '{api.segments[1]}' was found. (Parameter 'instanceId')"
            raise ApiError(400, http_errors.BAD_ARGUMENT, text, "System.ArgumentException") from None
        body = self._urls.created(api.base, instance_id, api.text("taskHub"), api.text("connection"))
        return json_response(body, 202, {"Location": body["statusQueryGetUri"], "Retry-After": "10"})

    # -- many

    async def _list(self, api: ApiRequest) -> web.Response:
        wanted = _filter(api)
        wanted.top = api.whole("top", 100)
        wanted.after = paging.start(api)
        page, more = self._client.queries.instances(wanted)
        show_input = api.flag("showInput", default=True)
        body = [status_view.status_body(instance, show_input=show_input) for instance in page]
        return json_response(body, 200, {paging.TOKEN: paging.token(more)})

    async def _purge_many(self, api: ApiRequest) -> web.Response:
        if api.moment("createdTimeFrom") is None:
            raise ApiError(400, "Please provide value for 'createdTimeFrom' parameter.")
        count = await self._client.purge_where(_filter(api))
        return json_response({"instancesDeleted": count}) if count else empty(404)

    async def _make_primary(self, _: ApiRequest) -> web.Response:
        text = "The method MakeCurrentAppPrimaryAsync is not supported by the AzureStorage storage provider."
        return ApiError(500, http_errors.BROKE, text, "System.NotImplementedException").response()


def _filter(api: ApiRequest) -> InstanceFilter:
    return InstanceFilter(
        created_from=api.moment("createdTimeFrom"),
        created_to=api.moment("createdTimeTo"),
        statuses=api.statuses(),
        prefix=api.text("instanceIdPrefix"),
    )


def _finished(instance: Instance) -> web.Response:
    body = status_view.status_body(instance)
    return json_response(body["output"] if instance.status is Status.COMPLETED else body)
