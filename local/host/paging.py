"""Paging tokens of the durable API: opaque to the caller, "after this id" to us."""

from __future__ import annotations

import base64
import binascii

from local.host.api_request import ApiRequest

TOKEN = "x-ms-continuation-token"  # noqa: S105 - a header's name


def token(after: str | None) -> str:
    """Empty at the end."""
    return "" if after is None else base64.urlsafe_b64encode(b"1" + after.encode()).decode()


def start(api: ApiRequest) -> str | None:
    """The id after which the page begins that the request asks for; an illegible token means the first page."""
    try:
        return base64.urlsafe_b64decode(api.request.headers[TOKEN])[1:].decode() or None
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None
