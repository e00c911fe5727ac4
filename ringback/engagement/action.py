"""What a card's button is, and what happens when it is pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Union

import msgspec

from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.reference import Reference
from ringback.tables.service import Tables


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press, which has been counted.

    `id` is the same when the channel posts the press again, as it does after a crash: what must be done once is done
    under this id. `data` is the button's own data and what was filled in on the card; the person's client could have
    changed it. `delivery` is theirs: that was checked. `reference` is where they pressed it.
    """

    id: str
    action: str
    data: dict[str, Any]
    delivery: LedgerRow
    reference: Reference


# Words, or a whole message activity without an address.
Answer = Union[str, dict[str, Any]]  # noqa: UP007  evaluated at run time, where Python 3.10 would do too
Respond = Callable[[Press, Tables], Awaitable[Answer]]


class CardAction(msgspec.Struct, frozen=True, kw_only=True):
    """A name that buttons have (`data.action`, or an Action.Execute's verb), and what answers their presses.

    `respond` has the seconds of a turn: what takes longer is an operation, which a button with
    `{"action": "start", "operation": …}` starts.
    """

    name: str
    respond: Respond
