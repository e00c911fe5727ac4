"""Request bodies: JSON into a struct, or a problem that names the field at fault."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from ringback.errors import RequestError

Body = TypeVar("Body")
# How msgspec words where it stumbled: "… field `to`", "… - at `$.to.userId`".
FIELD = re.compile(r"field `([^`]+)`")
PATH = re.compile(r"at `\$\.([^`]+)`")


def decode(raw: bytes, shape: type[Body], wanted: str) -> Body:
    """The body as a struct; `wanted` shows its form to who sent something else."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"Send {wanted}: {error}.", field=_field(str(error))) from None


def _field(said: str) -> str | None:
    path, field = PATH.search(said), FIELD.search(said)
    parts = [found[1] for found in (path, field) if found]
    return ".".join(parts) or None
