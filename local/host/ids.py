"""Ids that need not be secret: random, without a system call each."""

from __future__ import annotations

import random
import uuid

_random = random.Random()  # noqa: S311 - seeded from the system once; names, not secrets


def guid() -> str:
    """With dashes."""
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def hex_id() -> str:
    """32 digits."""
    return uuid.UUID(int=_random.getrandbits(128), version=4).hex
