"""The service's errors: an HTTP status, a code and a message, in the words that its clients look for.

https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec

_KNOWN = {
    "AtomFormatNotSupported": (415, "Atom format is not supported."),
    "AuthenticationFailed": (
        403,
        (
            "Server failed to authenticate the request. Make sure the value of the Authorization header is formed "
            "correctly including the signature."
        ),
    ),
    "CommandsInBatchActOnDifferentPartitions": (
        400,
        "All commands in a batch must operate on same entity group.",
    ),
    "EntityAlreadyExists": (409, "The specified entity already exists."),
    "EntityTooLarge": (400, "The entity is larger than the maximum allowed size (1MB)."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "InvalidDuplicateRow": (
        400,
        "A command with RowKey '{}' is already present in the batch. An entity can appear only once in a batch.",
    ),
    "InvalidInput": (400, "One of the request inputs is not valid. {}"),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidUri": (400, "The request URI is not valid. {}"),
    "JsonFormatNotSupported": (415, "JSON format is not supported."),
    "KeyValueTooLarge": (400, "The value of a key is larger than the maximum allowed size (1KB)."),
    "MethodNotAllowed": (405, "The requested operation is not allowed on the specified resource."),
    "MissingRequiredHeader": (400, "An HTTP header that is mandatory for this request is not specified: {}."),
    "NotImplemented": (501, "The requested operation is not implemented on the specified resource."),
    "OutOfRangeInput": (400, "One of the request inputs is out of range. {}"),
    "PropertiesNeedValue": (400, "The values are not specified for all properties in the entity."),
    "PropertyNameInvalid": (400, "The property name is invalid: {}."),
    "PropertyNameTooLong": (400, "The property name exceeds the maximum allowed length (255)."),
    "PropertyValueTooLarge": (
        400,
        (
            "The property value exceeds the maximum allowed size (64KB). If the property value is a string, it is "
            "UTF-16 encoded and the maximum number of characters should be 32K or less."
        ),
    ),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "TableAlreadyExists": (409, "The table specified already exists."),
    "TableNotFound": (404, "The table specified does not exist."),
    "TooManyProperties": (400, "The entity contains more properties than allowed (252)."),
    "UpdateConditionNotSatisfied": (412, "The update condition specified in the request was not satisfied."),
}


class ServiceError(Exception):
    """A request that the service refuses; `code` is one of the service's own."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.status, template = _KNOWN[code]
        self.text = template.format(detail).rstrip()
        super().__init__(f"{code}: {self.text}")

    def body(self, request_id: str, index: int | None = None) -> bytes:
        """The JSON body; `index` is the place in its transaction of the operation at fault, from 0."""
        place = "" if index is None else f"{index}:"
        time = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        value = f"{place}{self.text}\nRequestId:{request_id}\nTime:{time}"
        return msgspec.json.encode({"odata.error": {"code": self.code, "message": {"lang": "en-US", "value": value}}})


class OutOfRangeNameError(ServiceError):
    """A table name whose length is not within the limits; azure-data-tables reads the sentence."""

    def __init__(self) -> None:
        super().__init__("OutOfRangeInput")
        self.text = "The specified resource name length is not within the permissible limits."
