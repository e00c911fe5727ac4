"""Property values: what a client may send, checked and turned into the form in which they are stored and sent back.

The stored form is the service's minimal-metadata JSON: plain strings, booleans, Int32 and Double, and
`name@odata.type` beside everything that JSON has no type for.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from local.services.tables.clock import format_ticks, parse_ticks
from local.services.tables.errors import ServiceError

TYPE_SUFFIX = "@odata.type"
SYSTEM_PROPERTIES = frozenset({"PartitionKey", "RowKey", "Timestamp"})
MAX_ENTITY_BYTES = 1024 * 1024
MAX_VALUE_BYTES = 64 * 1024
MAX_PROPERTIES = 252
MAX_NAME_CHARACTERS = 255
_NAME = re.compile(r"[^\W\d]\w*$")
_INT64 = re.compile(r"[+-]?\d{1,19}$", re.ASCII)
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")

Stored = tuple[Any, str | None, int]  # the JSON value, its annotation, its size in bytes as the service counts it


def properties_of(payload: dict[str, Any]) -> dict[str, Any]:
    """The stored form of an entity's own properties; raises ServiceError for what the service would refuse."""
    stored: dict[str, Any] = {}
    size = count = 0
    for name, value in payload.items():
        if name.endswith(TYPE_SUFFIX) or name.startswith("odata.") or name in SYSTEM_PROPERTIES or value is None:
            continue
        _check_name(name)
        kept, annotation, length = _convert(name, value, payload.get(name + TYPE_SUFFIX))
        if annotation:
            stored[name + TYPE_SUFFIX] = annotation
        stored[name] = kept
        size += 8 + 2 * len(name) + length
        count += 1
    if count > MAX_PROPERTIES:
        raise ServiceError("TooManyProperties")
    if size > MAX_ENTITY_BYTES:
        raise ServiceError("EntityTooLarge")
    return stored


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Both sets of stored properties, `new` winning; raises ServiceError when the whole breaks a limit."""
    result = dict(old)
    for name in new:
        if not name.endswith(TYPE_SUFFIX):
            result.pop(name + TYPE_SUFFIX, None)
    result.update(new)
    return properties_of(result)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_CHARACTERS:
        raise ServiceError("PropertyNameTooLong")
    if not _NAME.match(name):
        raise ServiceError("PropertyNameInvalid", name)


def _convert(name: str, value: object, annotation: object) -> Stored:
    if annotation is None:
        annotation = _implied_type(value)
    convert = _CONVERSIONS.get(annotation) if isinstance(annotation, str) else None
    if convert is None:
        raise ServiceError("InvalidInput", f"The type of {name} is unknown.")
    try:
        return convert(value)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise ServiceError("InvalidInput", f"The value of {name} is not a valid {annotation}.") from error


def _implied_type(value: object) -> str | None:
    if isinstance(value, str):
        return "Edm.String"
    if isinstance(value, bool):
        return "Edm.Boolean"
    if isinstance(value, int):
        return "Edm.Int32"
    return "Edm.Double" if isinstance(value, float) else None


def _string(value: object) -> Stored:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 one exception type for every malformed value
    size = len(value.encode("utf-16-le"))
    if size > MAX_VALUE_BYTES:
        raise ServiceError("PropertyValueTooLarge")
    return value, None, size + 4


def _boolean(value: object) -> Stored:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        value = value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004
    return value, None, 1


def _int32(value: object) -> Stored:
    number = int(value) if isinstance(value, str) and _INT64.match(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not -(2**31) <= number < 2**31:
        raise ValueError(value)
    return number, None, 4


def _int64(value: object) -> Stored:
    number = int(value) if isinstance(value, str) and _INT64.match(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not -(2**63) <= number < 2**63:
        raise ValueError(value)
    return str(number), "Edm.Int64", 8


def _double(value: object) -> Stored:
    if value in _NOT_FINITE:
        return value, "Edm.Double", 8
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)  # noqa: TRY004
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number, None, 8


def _datetime(value: object) -> Stored:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004
    ticks = parse_ticks(value)
    return format_ticks(ticks, trimmed=True), "Edm.DateTime", 8


def _guid(value: object) -> Stored:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004
    return str(UUID(value)), "Edm.Guid", 16


def _binary(value: object) -> Stored:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004
    content = base64.b64decode(value, validate=True)
    if len(content) > MAX_VALUE_BYTES:
        raise ServiceError("PropertyValueTooLarge")
    return value, "Edm.Binary", len(content) + 4


_CONVERSIONS: dict[str, Callable[[object], Stored]] = {
    "Edm.String": _string,
    "Edm.Boolean": _boolean,
    "Edm.Int32": _int32,
    "Edm.Int64": _int64,
    "Edm.Double": _double,
    "Edm.DateTime": _datetime,
    "Edm.Guid": _guid,
    "Edm.Binary": _binary,
}
