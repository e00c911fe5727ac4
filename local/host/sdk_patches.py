"""What is replaced inside azure-functions-durable 1.7, in this process only: its timestamp parser.

`dateutil.parser.parse` on every event's Timestamp is nine tenths of a replay. Times that this host wrote are read by
`fromisoformat`; anything else still goes to the parser that was there.
"""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

# By name: the package re-exports the class of that name over the module.
MODULE = "azure.durable_functions.models.history.HistoryEvent"
STAMP_LENGTH = len("2025-01-01T10:00:00.123456Z")


def install() -> None:
    module: Any = importlib.import_module(MODULE)
    slow = module.dt_parse
    if getattr(slow, "is_fast", False):
        return

    def fast(text: str, *arguments: Any, **options: Any) -> Any:
        if len(text) == STAMP_LENGTH and text[-1] == "Z":
            try:
                return dt.datetime.fromisoformat(text[:-1] + "+00:00")
            except ValueError:
                pass
        return slow(text, *arguments, **options)

    fast.is_fast = True  # type: ignore[attr-defined]
    module.dt_parse = fast
