"""What a function receives for a trigger other than HTTP and durable ones, made of a plain text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.host import ids, jsontext

Metadata = dict[str, Datum]


class UnsupportedTriggerError(Exception):
    """A kind of trigger that cannot be made of a text."""


def from_text(kind: str, text: str) -> Any:
    """The trigger value for a function of `kind`. Raises UnsupportedTriggerError."""
    maker = MAKERS.get(kind)
    converter = get_binding_registry().get(kind)
    if maker is None or converter is None:
        raise UnsupportedTriggerError(f"this host cannot run a function with a {kind} from a text")
    datum, metadata = maker(text)
    return converter.decode(datum, trigger_metadata=metadata)


def timer(*, past_due: bool, last: str | None = None, upcoming: str | None = None, updated: str | None = None) -> Any:
    """A TimerRequest."""
    status = {"Last": last, "Next": upcoming, "LastUpdated": updated}
    text = jsontext.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due})
    return get_binding_registry().get("timerTrigger").decode(Datum(text, "json"), trigger_metadata=None)


def queue_metadata(**fields: Any) -> Metadata:
    """Metadata of a queue message: Id, DequeueCount, ExpirationTime, InsertionTime, NextVisibleTime, PopReceipt."""
    return {
        name: Datum(value.isoformat() if isinstance(value, dt.datetime) else value, _kind(value))
        for name, value in fields.items()
        if value is not None
    }


def _kind(value: Any) -> str:
    return "int" if isinstance(value, int) else "string"


def _queue(text: str) -> tuple[Datum, Metadata]:
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    metadata = queue_metadata(
        Id=ids.guid(),
        DequeueCount=1,
        ExpirationTime=now + dt.timedelta(days=7),
        InsertionTime=now,
        NextVisibleTime=now + dt.timedelta(minutes=10),
        PopReceipt=ids.hex_id(),
    )
    return Datum(text, "string"), metadata


def _service_bus(text: str) -> tuple[Datum, Metadata]:
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0).isoformat()
    metadata = {
        "MessageId": Datum(ids.hex_id(), "string"),
        "UserProperties": Datum("{}", "json"),
        "DeliveryCount": Datum(1, "int"),
        "EnqueuedTimeUtc": Datum(now, "string"),
        "ContentType": Datum("text/plain", "string"),
    }
    return Datum(text, "string"), metadata


def _json(text: str) -> tuple[Datum, Metadata]:
    return Datum(text if jsontext.is_json(text) else jsontext.dumps(text), "json"), {}


def _string(text: str) -> tuple[Datum, Metadata]:
    return Datum(text, "string"), {}


def _blob(text: str) -> tuple[Datum, Metadata]:
    properties = jsontext.dumps({"Length": len(text.encode())})
    return Datum(text.encode(), "bytes"), {
        "Properties": Datum(properties, "json"),
        "BlobTrigger": Datum("", "string"),
        "Uri": Datum("", "string"),
    }


def _event_hub(text: str) -> tuple[Datum, Metadata]:
    now = dt.datetime.now(dt.timezone.utc).isoformat()
    return Datum(text, "string"), {
        "SystemProperties": Datum("{}", "json"),
        "EnqueuedTimeUtc": Datum(jsontext.dumps(now), "json"),
    }


def _timer(_: str) -> tuple[Datum, Metadata]:
    text = jsontext.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False})
    return Datum(text, "json"), {}


MAKERS = {
    "activityTrigger": _string,
    "blobTrigger": _blob,
    "cosmosDBTrigger": _json,
    "eventGridTrigger": _json,
    "eventHubTrigger": _event_hub,
    "queueTrigger": _queue,
    "serviceBusTrigger": _service_bus,
    "timerTrigger": _timer,
    "warmupTrigger": _json,
}
