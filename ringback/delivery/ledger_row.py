"""One row of the ledger: what is known of a delivery, and how it lies in the table."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback.delivery.notification import RESEND, Notification

FINAL_STATES = ("delivered", "failed", "suppressed", "ambiguous", "cancelled")
# The row's attempts lie in one property of at most 64 KiB, which is 32 Ki characters.
MAX_ATTEMPTS, MAX_CHARACTERS = 150, 32 * 1024
MAX_CODE = 80
# A binary property holds 64 KiB; a row 1 MiB.
PIECE = 60 * 1024
SENDING = "sending"


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One try: outcome is sending until it is known, then delivered, retry, permanent or ambiguous.

    `status` is the service's own number (HTTP's, or SMTP's); `latency` the seconds that its answer took.
    """

    at: datetime
    outcome: str = SENDING
    code: str | None = None
    channel: str = "bot"
    status: int | None = None
    latency: float | None = None


class LedgerRow(msgspec.Struct, kw_only=True):
    """A delivery: its state, every try, and the etag that its next write must match.

    `tries` counts all tries, `attempts` lists the last of them; `ambiguous` counts those that may have arrived unknown
    to us. `channel` and `reference` say by which way it was tried last; with `activity_id` they find a message sent.
    `hub` is the task hub whose orchestration brings it; `locale` the one that it was last worded for. `failed_at` is
    when it ended without having been delivered, `failed_before` when an earlier round did.
    `erased`: its person was, and its content with them. `emptied`: its content went for its age. `withdrawn`: it is
    being removed for its age, and nobody is to see it any more.
    """

    id: str
    user: str
    state: str = "pending"
    category: str = ""
    priority: str = "normal"
    conversation: str | None = None
    channels: tuple[str, ...] | None = None
    on_ambiguous: str = RESEND
    created_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    content: dict[str, Any] | None = None
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    tries: int = 0
    ambiguous: int = 0
    code: str | None = None
    detail: str | None = None
    channel: str | None = None
    reference: str | None = None
    activity_id: str | None = None
    locale: str | None = None
    waiting_until: datetime | None = None
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    failed_before: datetime | None = None
    recalled_at: datetime | None = None
    edited_at: datetime | None = None
    latency: float | None = None
    round: int = 0
    hub: str | None = None
    erased: bool = False
    emptied: bool = False
    withdrawn: bool = False
    etag: str | None = None
    # State and `ambiguous` as the table has them: by which a write is known to end the delivery.
    stored: tuple[str, int] = ("", 0)

    @property
    def is_final(self) -> bool:
        """Whether the delivery has ended."""
        return self.state in FINAL_STATES

    def is_over(self, number: int) -> bool:
        """Whether round `number` of the delivery has nothing more to do: it has ended, or a later round has begun."""
        return self.is_final or self.round != number

    @property
    def notification(self) -> Notification:
        """The input of this delivery's orchestration; its content stays in the row."""
        return Notification(
            id=self.id,
            user=self.user,
            conversation=self.conversation,
            category=self.category,
            priority=self.priority,
            channels=self.channels,
            not_before=self.not_before,
            expires_at=self.expires_at,
            on_ambiguous=self.on_ambiguous,
            round=self.round,
        )


def new_row(notification: Notification, now: datetime) -> LedgerRow:
    """The pending row of a delivery that the ledger does not hold yet."""
    return LedgerRow(
        id=notification.id,
        user=notification.user,
        category=notification.category,
        priority=notification.priority,
        conversation=notification.conversation,
        channels=notification.channels,
        on_ambiguous=notification.on_ambiguous,
        created_at=now,
        not_before=notification.not_before,
        expires_at=notification.expires_at,
        content=notification.content,
        round=notification.round,
    )


# What never changes after the row was made, and what every write carries: a merge clears nothing that it leaves out.
FIXED = {
    "category": "Category",
    "priority": "Priority",
    "conversation": "Conversation",
    "on_ambiguous": "OnAmbiguous",
    "created_at": "CreatedAt",
    "not_before": "NotBefore",
    "expires_at": "ExpiresAt",
}
CHANGING = {
    "state": "State",
    "tries": "Tries",
    "ambiguous": "Ambiguous",
    "code": "Code",
    "detail": "Detail",
    "channel": "Channel",
    "reference": "Reference",
    "activity_id": "ActivityId",
    "locale": "Locale",
    "waiting_until": "WaitingUntil",
    "delivered_at": "DeliveredAt",
    "failed_at": "FailedAt",
    "recalled_at": "RecalledAt",
    "edited_at": "EditedAt",
    "latency": "LatencySeconds",
    "round": "Round",
    "hub": "Hub",
}
CLEARED = {"code": "", "detail": "", "activity_id": ""}


def whole(row: LedgerRow) -> dict[str, Any]:
    """Every property of a new row."""
    fixed = {name: getattr(row, field) for field, name in FIXED.items() if getattr(row, field) is not None}
    if row.channels is not None:
        fixed["Channels"] = ",".join(row.channels)
    content = {} if row.content is None else content_properties(row.content)
    return {**fixed, **content, **changed(row)}


def changed(row: LedgerRow) -> dict[str, Any]:
    """The properties that a write of an existing row carries."""
    values = {field: getattr(row, field) for field in CHANGING}
    values.update({field: empty for field, empty in CLEARED.items() if values[field] is None and row.etag})
    entity = {CHANGING[field]: value for field, value in values.items() if value is not None}
    return {"PartitionKey": row.user, "RowKey": row.id, "Attempts": _attempts(row), **entity}


def bare(row: LedgerRow, *, purged: bool) -> dict[str, Any]:
    """What an erasure leaves of a row: its id, how it ended, how often it was tried, and whose histories there are."""
    kept = ("state", "tries", "ambiguous", "code", "channel", "delivered_at", "failed_at", "latency", "round", "hub")
    values = {CHANGING[field]: getattr(row, field) for field in kept}
    values.update(CreatedAt=row.created_at, Erased=True, Purged=purged, Withdrawn=row.withdrawn)
    entity = {name: value for name, value in values.items() if value is not None}
    return {"PartitionKey": row.user, "RowKey": row.id, "Attempts": _attempts(row), **entity}


def _attempts(row: LedgerRow) -> str:
    """The last tries as JSON, as many as the property holds, whatever codes a channel thought of."""
    kept = row.attempts[-MAX_ATTEMPTS:]
    # A character takes no fewer bytes in UTF-8 than units in UTF-16, by which the table counts.
    while len(raw := msgspec.json.encode(kept)) > MAX_CHARACTERS:
        kept = kept[len(kept) // 4 + 1 :]
    return raw.decode()


def empty(row: LedgerRow) -> dict[str, Any]:
    """The row without what it said."""
    return {**whole(msgspec.structs.replace(row, content=None)), "Emptied": True}


def content_properties(content: dict[str, Any]) -> dict[str, Any]:
    """The message as JSON in binary properties, Content0 and so on."""
    raw = msgspec.json.encode(content)
    pieces = [raw[start : start + PIECE] for start in range(0, len(raw), PIECE)]
    return {"Pieces": len(pieces), **{f"Content{number}": piece for number, piece in enumerate(pieces)}}


def read_row(entity: dict[str, Any], etag: str) -> LedgerRow:
    """A row out of the table's entity."""
    names = {**FIXED, **CHANGING}
    values: dict[str, Any] = {field: _plain(entity[name]) for field, name in names.items() if name in entity}
    values.update({field: None for field, empty in CLEARED.items() if values.get(field) == empty})
    if values.get("state") not in FINAL_STATES or values.get("state") == "delivered":
        # The end of an earlier round: a merge cannot take a time away, and there is no empty one.
        values["failed_before"] = values.pop("failed_at", None)
    pieces = [entity[f"Content{number}"] for number in range(entity.get("Pieces", 0))]
    channels = entity.get("Channels")
    return LedgerRow(
        id=entity["RowKey"],
        user=entity["PartitionKey"],
        channels=tuple(channels.split(",")) if channels else None,
        content=msgspec.json.decode(b"".join(pieces)) if pieces else None,
        attempts=msgspec.json.decode(entity.get("Attempts", "[]"), type=list[Attempt]),
        erased=bool(entity.get("Erased")),
        emptied=bool(entity.get("Emptied")) and not pieces,
        withdrawn=bool(entity.get("Withdrawn")),
        etag=etag,
        stored=(values["state"], values.get("ambiguous", 0)),
        **values,
    )


def _plain(value: Any) -> Any:
    """A plain aware datetime out of azure-data-tables' TablesEntityDatetime."""
    return datetime.fromtimestamp(value.timestamp(), tz=timezone.utc) if isinstance(value, datetime) else value
