"""What a request's path names: the account, all tables, one table, one entity or a transaction."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from local.services.tables.errors import OutOfRangeNameError, ServiceError

MAX_KEY_BYTES = 1024
_KEY = r"'((?:[^']|'')*)'"
_ENTITY = re.compile(rf"([^()]+)\(\s*PartitionKey\s*=\s*{_KEY}\s*,\s*RowKey\s*=\s*{_KEY}\s*\)$", re.DOTALL)
_NAMED_TABLE = re.compile(r"Tables\('([^']*)'\)$")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}$", re.ASCII)
_FORBIDDEN_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f/\\\\#?]")


class Address(NamedTuple):
    """A resource; `kind` is account, tables, table (the table itself), entities (its content), entity or batch."""

    kind: str
    table: str = ""
    partition: str = ""
    row: str = ""


def parse_address(raw_path: str, account: str) -> Address:
    """The resource that a percent-encoded path (no query) names; raises ServiceError."""
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError as error:
        raise ServiceError("InvalidUri", "It is not UTF-8.") from error
    owner, _, rest = path.removeprefix("/").partition("/")
    if owner != account:
        raise ServiceError("ResourceNotFound")
    return _within_account(rest)


def _within_account(rest: str) -> Address:
    if not rest:
        return Address("account")
    if rest in {"Tables", "Tables()"}:
        return Address("tables")
    if rest == "$batch":
        return Address("batch")
    named = _NAMED_TABLE.match(rest)
    if named:
        return Address("table", check_table_name(named.group(1)))
    entity = _ENTITY.match(rest)
    if entity:
        table, partition, row = entity.groups()
        return Address("entity", check_table_name(table), partition.replace("''", "'"), row.replace("''", "'"))
    return Address("entities", check_table_name(rest.removesuffix("()")))


def check_table_name(name: str) -> str:
    if not 3 <= len(name) <= 63:
        raise OutOfRangeNameError
    if not _TABLE_NAME.match(name) or name.lower() == "tables":
        raise ServiceError("InvalidResourceName")
    return name


def check_key(name: str, value: object) -> str:
    """A PartitionKey or RowKey, at most 1 KiB of UTF-16, without control characters, slashes, # and ?."""
    if value is None:
        raise ServiceError("PropertiesNeedValue")
    if not isinstance(value, str):
        raise ServiceError("InvalidInput", f"{name} is not a string.")
    if len(value.encode("utf-16-le", "surrogatepass")) > MAX_KEY_BYTES:
        raise ServiceError("KeyValueTooLarge")
    if _FORBIDDEN_IN_KEYS.search(value) or any("\ud800" <= character <= "\udfff" for character in value):
        raise ServiceError("OutOfRangeInput", f"{name} contains a character that keys may not contain.")
    return value
