"""The message that shows an operation's progress, kept up to date where a channel can change what was sent."""

from __future__ import annotations

import logging
from typing import Any

from ringback.channels.port import Outcome, Sender
from ringback.tables.operations import OperationRow
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables

log = logging.getLogger(__name__)
# The channels whose messages can be changed (Direct Line answers 405).
EDITABLE_CHANNELS = frozenset({"msteams"})


async def show_progress(row: OperationRow, content: dict[str, Any], tables: Tables, sender: Sender) -> bool:
    """Change the message that acknowledged the operation; False where there is none or the channel refused."""
    if row.message_id is None or row.user is None or row.conversation is None:
        return False
    reference = await ReferenceTable(tables).get(row.user, row.conversation)
    if reference is None:
        return False
    result = await sender.update(reference, row.message_id, content)
    if result.outcome is not Outcome.DELIVERED:
        log.info("the progress of %s could not be shown: %s %s", row.id, result.code, result.detail)
    return result.outcome is Outcome.DELIVERED
