"""Azure Communication Services' signatures: HMAC-SHA256 over method, path, date, host and the body's hash.

https://learn.microsoft.com/rest/api/communication/authentication
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

# Known to everybody, for loopback only.
ACCESS_KEY = base64.b64encode(b"for-local-use-only-not-a-secret!").decode()
HEADER = re.compile(r"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=(?P<signature>\S+)")
CLOCK_SECONDS = 300.0


def connection_string(port: int) -> str:
    return f"endpoint=http://127.0.0.1:{port}/;accesskey={ACCESS_KEY}"


def problem(method: str, target: str, headers: Mapping[str, str], body: bytes, key: str = ACCESS_KEY) -> str:
    """Why a request is not from somebody who has the key; empty when it is. `target` is path and query as sent."""
    match = HEADER.fullmatch(headers.get("Authorization", ""))
    if match is None:
        return "The Authorization header is missing or malformed."
    date, digest = headers.get("x-ms-date", ""), headers.get("x-ms-content-sha256", "")
    try:
        drift = abs(parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError):
        return "The x-ms-date header is missing or malformed."
    if drift > CLOCK_SECONDS:
        return "The x-ms-date header is too far from the server's clock."
    if digest != base64.b64encode(hashlib.sha256(body).digest()).decode():
        return "The x-ms-content-sha256 header is not the body's hash."
    # The SDKs sign the decoded path, and plain clients the one that they send.
    for path in (unquote(target), target):
        wanted = signature(method, path, date, headers.get("Host", ""), digest, key=key)
        if hmac.compare_digest(match["signature"].encode("utf-8", "replace"), wanted.encode()):
            return ""
    return "The signature is not right."


def signature(method: str, path: str, date: str, host: str, digest: str, *, key: str) -> str:
    text = f"{method}\n{path}\n{date};{host};{digest}"
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
