"""The HTTP side: one handler that authenticates, finds out what is asked for, and answers as the service does."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web

from local.services.tables import clock
from local.services.tables.addresses import Address, check_table_name
from local.services.tables.entities import Verb, apply, parse_operation
from local.services.tables.errors import ServiceError
from local.services.tables.exchange import Exchange
from local.services.tables.filter_syntax import parse_filter
from local.services.tables.queries import continuation_headers, continuation_start, page_limit, selected, table_page
from local.services.tables.readers import Readers
from local.services.tables.rendering import Metadata, entities_json, entity_json, table_json
from local.services.tables.store import Query, Store
from local.services.tables.transactions import PartResponse, TransactionError, parse_transaction, render_transaction
from local.services.tables.upkeep import Upkeep

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024
# One entity of 1 MiB has more bytes than that as JSON, so only a whole transaction is held to this.
_REFUSED_BODY_BYTES = MAX_BODY_BYTES + 1
_NO_CONTENT = {"Preference-Applied": "return-no-content"}

_Handler = Callable[[Exchange, Address], Awaitable[web.Response]]


class TableServer:
    """One store behind the protocol."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readers = Readers(store)
        self._upkeep = Upkeep(store, self._readers)
        self._handlers: dict[str, _Handler] = {
            "tables": self._tables,
            "table": self._table,
            "entities": self._entities,
            "entity": self._entity,
            "batch": self._batch,
        }

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_REFUSED_BODY_BYTES)
        application.router.add_get("/healthz", self._health)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.cleanup_ctx.append(self._lifetime)
        return application

    async def _lifetime(self, _application: web.Application) -> AsyncIterator[None]:
        async with self._upkeep:
            yield
        self._readers.close()
        self._store.close()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _handle(self, request: web.Request) -> web.Response:
        exchange = Exchange(request)
        try:
            exchange.authenticate()
            address = exchange.address()
            return await self._handler(exchange, address)(exchange, address)
        except ServiceError as error:
            return exchange.refuse(error)
        except Exception:
            logger.exception("%s %s", exchange.method, exchange.raw_path)
            return exchange.refuse(ServiceError("InternalError"))

    def _handler(self, exchange: Exchange, address: Address) -> _Handler:
        if "comp" in exchange.query or address.kind not in self._handlers:
            raise ServiceError("NotImplemented")
        return self._handlers[address.kind]

    async def _tables(self, exchange: Exchange, _address: Address) -> web.Response:
        level = exchange.metadata()
        if exchange.method == "GET":
            return self._query_tables(exchange, level)
        if exchange.method != "POST":
            raise ServiceError("MethodNotAllowed")
        try:
            name = msgspec.json.decode(await exchange.body(), type=dict[str, object]).get("TableName")
        except msgspec.DecodeError as error:
            raise ServiceError("InvalidInput", "The body is not a JSON object.") from error
        if not isinstance(name, str):
            raise ServiceError("PropertiesNeedValue")
        self._store.create_table(check_table_name(name))
        self._upkeep.note_write()
        if "return-no-content" in exchange.prefer:
            return exchange.respond(204, headers=_NO_CONTENT)
        return exchange.respond(201, table_json(name, exchange.base, level, alone=True), level.content_type)

    def _query_tables(self, exchange: Exchange, level: Metadata) -> web.Response:
        text = exchange.query.get("$filter")
        names, following = table_page(
            self._store.table_names(),
            parse_filter(text) if text else None,
            exchange.query.get("NextTableName"),
            page_limit(exchange.query.get("$top")),
        )
        items = [table_json(name, exchange.base, level, alone=False) for name in names]
        headers = {"x-ms-continuation-NextTableName": following} if following else {}
        body = entities_json(items, "Tables", exchange.base, level)
        return exchange.respond(200, body, level.content_type, headers)

    async def _table(self, exchange: Exchange, address: Address) -> web.Response:
        if exchange.method == "GET":
            self._store.table_id(address.table)
            level = exchange.metadata()
            body = table_json(address.table, exchange.base, level, alone=True)
            return exchange.respond(200, body, level.content_type)
        if exchange.method != "DELETE":
            raise ServiceError("MethodNotAllowed")
        self._store.delete_table(address.table)
        self._upkeep.note_write()
        return exchange.respond(204)

    async def _entities(self, exchange: Exchange, address: Address) -> web.Response:
        if exchange.method != "GET":
            return await self._entity(exchange, address)
        level = exchange.metadata()
        query = exchange.query
        text = query.get("$filter", "").strip()
        question = Query(
            self._store.table_id(address.table),
            parse_filter(text) if text else None,
            continuation_start(query),
            page_limit(query.get("$top")),
        )
        page = await self._readers.page(question)
        select = selected(query.get("$select"))
        items = [entity_json(row, address.table, exchange.base, level, select, alone=False) for row in page.rows]
        body = entities_json(items, address.table, exchange.base, level)
        return exchange.respond(200, body, level.content_type, continuation_headers(page.continuation))

    async def _entity(self, exchange: Exchange, address: Address) -> web.Response:
        level = exchange.metadata()
        if_match = exchange.request.headers.get("If-Match")
        operation = parse_operation(exchange.method, address, if_match, exchange.prefer, await exchange.body())
        row = apply(self._store, operation)
        if operation.verb is Verb.GET and row:
            select = selected(exchange.query.get("$select"))
            body = entity_json(row, address.table, exchange.base, level, select, alone=True)
            return exchange.respond(200, body, level.content_type, {"ETag": clock.etag(row.ticks)})
        self._upkeep.note_write()
        headers = {"ETag": clock.etag(row.ticks)} if row else {}
        if operation.echo and row:
            body = entity_json(row, address.table, exchange.base, level, (), alone=True)
            if "return-content" in exchange.prefer:
                headers["Preference-Applied"] = "return-content"
            return exchange.respond(201, body, level.content_type, headers)
        if operation.verb is Verb.INSERT:
            headers |= _NO_CONTENT
        return exchange.respond(204, headers=headers)

    async def _batch(self, exchange: Exchange, _address: Address) -> web.Response:
        if exchange.method != "POST":
            raise ServiceError("MethodNotAllowed")
        body = await exchange.body()
        if len(body) > MAX_BODY_BYTES:
            raise ServiceError("RequestBodyTooLarge")
        try:
            parts = self._transact(exchange, body)
        except TransactionError as failure:
            error = failure.error
            headers = {"Content-Type": Metadata.MINIMAL.content_type, "x-ms-error-code": error.code}
            parts = [PartResponse(error.status, headers, error.body(exchange.request_id, failure.index))]
        content_type, content = render_transaction(parts)
        return exchange.respond(202, content, content_type)

    def _transact(self, exchange: Exchange, body: bytes) -> list[PartResponse]:
        operations = parse_transaction(exchange.request.headers.get("Content-Type", ""), body)
        parts: list[PartResponse] = []
        with self._store.transaction():
            for index, operation in enumerate(operations):
                try:
                    row = apply(self._store, operation)
                except ServiceError as error:
                    raise TransactionError(index, error) from error
                headers = {"ETag": clock.etag(row.ticks)} if row else {}
                content = b""
                if row and (operation.echo or operation.verb is Verb.GET):
                    headers["Content-Type"] = Metadata.MINIMAL.content_type
                    content = entity_json(row, operation.table, exchange.base, Metadata.MINIMAL, (), alone=True)
                parts.append(PartResponse(_status(operation.verb, echo=operation.echo), headers, content))
        self._upkeep.note_write()
        return parts


def _status(verb: Verb, *, echo: bool) -> int:
    if verb is Verb.GET:
        return 200
    return 201 if verb is Verb.INSERT and echo else 204
