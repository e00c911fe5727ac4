"""Ids that are safe as an entity key, an instance id, and a table's PartitionKey or RowKey alike.

Lower-case base32 of a SHA-256: 32 characters carry 160 bits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets

# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
KEY = re.compile(r"[^/\\#?\x00-\x1f\x7f-\x9f]{1,255}")


def digest(*parts: str, length: int = 32) -> str:
    """`length` base32 characters of a SHA-256 over the parts; ("a", "bc") and ("ab", "c") differ."""
    raw = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).digest()
    return base64.b32encode(raw).decode().lower()[:length]


def is_key(text: str) -> bool:
    """Whether a table can have such a key: it refuses to be asked for another, as if it were broken."""
    return KEY.fullmatch(text) is not None


def user_key(channel_id: str, user_id: str, tenant_id: str | None = None, aad_object_id: str | None = None) -> str:
    """One person: by their tenant and directory object where the channel tells both, else by channel and user id."""
    if tenant_id and aad_object_id:
        return digest("aad", tenant_id, aad_object_id)
    return digest("channel", channel_id, user_id)


def conversation_key(channel_id: str, conversation_id: str, user_id: str) -> str:
    """One person in one conversation: the key of a stored reference."""
    return digest("conversation", channel_id, conversation_id, user_id)


def random_id(length: int = 20) -> str:
    """Unguessable: five bits a character."""
    return base64.b32encode(secrets.token_bytes(length)).decode().lower()[:length]


def operation_id(owner: str, suffix: str) -> str:
    """The id of an operation that belongs to `owner`: a user key, or `api` for none."""
    return f"{owner}-{suffix}"


def owner_of(operation: str) -> str:
    """The user key, or `api`, in an operation's id."""
    return operation.split("-", 1)[0]


def short_id(operation: str) -> str:
    """Six characters of the id's suffix: enough to tell one person's operations apart."""
    return operation.rsplit("-", 1)[-1][:6]
