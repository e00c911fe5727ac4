"""The operations on one entity, alone or inside a transaction."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import msgspec

from local.services.tables import clock
from local.services.tables.addresses import Address, check_key
from local.services.tables.edm import merged, properties_of
from local.services.tables.errors import ServiceError
from local.services.tables.filters import Row
from local.services.tables.store import Store


class Verb(Enum):
    """What an operation does to its entity."""

    INSERT = "insert"
    REPLACE = "replace"
    MERGE = "merge"
    DELETE = "delete"
    GET = "get"


class Operation(NamedTuple):
    """One operation, parsed; `if_match` is None when the request has no such header."""

    verb: Verb
    table: str
    partition: str
    row: str
    properties: dict[str, Any]
    if_match: str | None
    echo: bool


_METHODS = {
    "PUT": Verb.REPLACE,
    "PATCH": Verb.MERGE,
    "MERGE": Verb.MERGE,
    "DELETE": Verb.DELETE,
    "GET": Verb.GET,
}


def parse_operation(method: str, address: Address, if_match: str | None, prefer: str, body: bytes) -> Operation:
    """The operation that a request asks for; raises ServiceError."""
    if address.kind == "entities" and method == "POST":
        payload = _payload(body)
        keys = check_key("PartitionKey", payload.get("PartitionKey")), check_key("RowKey", payload.get("RowKey"))
        return Operation(Verb.INSERT, address.table, *keys, _stored(keys, payload), None, "no-content" not in prefer)
    verb = _METHODS.get(method)
    if address.kind != "entity" or verb is None:
        raise ServiceError("MethodNotAllowed")
    keys = address.partition, address.row
    if verb in {Verb.GET, Verb.DELETE}:
        return Operation(verb, address.table, *keys, {}, _checked_etag(if_match), echo=False)
    check_key("PartitionKey", address.partition)
    check_key("RowKey", address.row)
    properties = _stored(keys, _payload(body))
    return Operation(verb, address.table, *keys, properties, _checked_etag(if_match), echo=False)


def _payload(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ServiceError("InvalidInput", "The body is not a JSON object.") from error


def _stored(keys: tuple[str, str], payload: dict[str, Any]) -> dict[str, Any]:
    for name, value in zip(("PartitionKey", "RowKey"), keys, strict=True):
        if payload.get(name, value) != value:
            raise ServiceError("InvalidInput", f"{name} differs between the address and the body.")
    try:
        return properties_of(payload)
    except UnicodeEncodeError as error:
        raise ServiceError("InvalidInput", "A string is not valid Unicode.") from error


def _checked_etag(if_match: str | None) -> str | None:
    if if_match is not None and if_match != "*" and not clock.is_etag(if_match):
        raise ServiceError("InvalidInput", "The If-Match header is not an ETag.")
    return if_match


def apply(store: Store, operation: Operation) -> Row | None:
    """Do it; the entity's new state, or None when it was deleted. Raises ServiceError and then changed nothing."""
    table_id = store.table_id(operation.table)
    if operation.verb is Verb.INSERT:
        return store.insert(table_id, operation.partition, operation.row, _encoded(operation.properties))
    old = store.get(table_id, operation.partition, operation.row)
    if operation.verb is Verb.GET:
        if old is None:
            raise ServiceError("ResourceNotFound")
        return old
    if operation.verb is Verb.DELETE:
        _delete(store, table_id, operation, old)
        return None
    if old is None and operation.if_match is None:
        return store.insert(table_id, operation.partition, operation.row, _encoded(operation.properties))
    kept = _checked(operation, old)
    properties = operation.properties
    if operation.verb is Verb.MERGE:
        properties = merged(kept.properties, properties)
    return store.replace(table_id, kept, _encoded(properties))


def _delete(store: Store, table_id: int, operation: Operation, old: Row | None) -> None:
    if operation.if_match is None:
        raise ServiceError("MissingRequiredHeader", "If-Match")
    _checked(operation, old)
    store.delete(table_id, operation.partition, operation.row)


def _checked(operation: Operation, old: Row | None) -> Row:
    """The entity as it is, when it is there and of the version that the request names."""
    if old is None:
        raise ServiceError("ResourceNotFound")
    if operation.if_match not in {None, "*"} and not clock.same_etag(str(operation.if_match), old.ticks):
        raise ServiceError("UpdateConditionNotSatisfied")
    return old


def _encoded(properties: dict[str, Any]) -> bytes:
    return msgspec.json.encode(properties)
