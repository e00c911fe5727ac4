"""Entities and tables as JSON, with as much OData metadata as the client asked for."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Any
from urllib.parse import quote

import msgspec

from local.services.tables.authentication import ACCOUNT
from local.services.tables.clock import etag, format_ticks
from local.services.tables.edm import TYPE_SUFFIX
from local.services.tables.errors import ServiceError
from local.services.tables.filters import Row

_encode = msgspec.json.encode


class Metadata(Enum):
    """How much a response says beside the values."""

    NONE = "nometadata"
    MINIMAL = "minimalmetadata"
    FULL = "fullmetadata"

    @property
    def content_type(self) -> str:
        return f"application/json;odata={self.value};streaming=true;charset=utf-8"


def requested_metadata(accept: str, format_option: str) -> Metadata:
    """From `$format`, which wins, or Accept; raises ServiceError when the client wants something else than JSON."""
    wanted = (format_option or accept).lower().replace(" ", "")
    for level in Metadata:
        if f"odata={level.value}" in wanted:
            return level
    if not wanted or "*/*" in wanted or "application/json" in wanted:
        return Metadata.MINIMAL
    raise ServiceError("AtomFormatNotSupported" if "atom" in wanted or "xml" in wanted else "JsonFormatNotSupported")


def entity_json(row: Row, table: str, base: str, level: Metadata, select: Collection[str], *, alone: bool) -> bytes:
    """One entity; `alone` says that it is the whole response, and then names its context."""
    head: dict[str, Any] = {}
    if alone and level is not Metadata.NONE:
        head["odata.metadata"] = f"{base}/$metadata#{table}/@Element"
    if level is Metadata.FULL:
        head |= _links(row, table, base)
    if level is not Metadata.NONE:
        head["odata.etag"] = etag(row.ticks)
    if not select or "PartitionKey" in select:
        head["PartitionKey"] = row.partition
    if not select or "RowKey" in select:
        head["RowKey"] = row.row
    if not select or "Timestamp" in select:
        if level is Metadata.FULL:
            head["Timestamp" + TYPE_SUFFIX] = "Edm.DateTime"
        head["Timestamp"] = format_ticks(row.ticks)
    if select or level is Metadata.NONE:
        return _encode(head | _chosen(row.properties, level, select))
    return _joined(_encode(head), row.body)


def _links(row: Row, table: str, base: str) -> dict[str, str]:
    keys = (quote(key.replace("'", "''"), safe="") for key in (row.partition, row.row))
    link = "{}(PartitionKey='{}',RowKey='{}')".format(table, *keys)
    return {"odata.type": f"{ACCOUNT}.{table}", "odata.id": f"{base}/{link}", "odata.editLink": link}


def _chosen(properties: dict[str, Any], level: Metadata, select: Collection[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in properties.items()
        if (not select or name.removesuffix(TYPE_SUFFIX) in select)
        and not (level is Metadata.NONE and name.endswith(TYPE_SUFFIX))
    }


def _joined(first: bytes, second: bytes) -> bytes:
    return first if second == b"{}" else first[:-1] + b"," + second[1:]


def entities_json(items: list[bytes], table: str, base: str, level: Metadata) -> bytes:
    head = b"" if level is Metadata.NONE else b'"odata.metadata":' + _encode(f"{base}/$metadata#{table}") + b","
    return b"{" + head + b'"value":[' + b",".join(items) + b"]}"


def table_json(name: str, base: str, level: Metadata, *, alone: bool) -> bytes:
    head: dict[str, str] = {}
    if alone and level is not Metadata.NONE:
        head["odata.metadata"] = f"{base}/$metadata#Tables/@Element"
    if level is Metadata.FULL:
        link = f"Tables('{name}')"
        head |= {"odata.type": f"{ACCOUNT}.Tables", "odata.id": f"{base}/{link}", "odata.editLink": link}
    return _encode(head | {"TableName": name})
