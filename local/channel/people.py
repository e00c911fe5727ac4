"""Persons on Teams have two ids: one of the bot's, 29:…, and their object id in the tenant, a GUID."""

from __future__ import annotations

import hashlib
import re

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_object_id(text: str) -> bool:
    return GUID.fullmatch(text.lower()) is not None


def aad_object_id(user_id: str) -> str:
    """A GUID that is always the same for a user id; a person whom a bot named by it first has it as both."""
    if is_object_id(user_id):
        return user_id.lower()
    digest = hashlib.sha256(user_id.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
