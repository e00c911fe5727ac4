"""SharedKey and SharedKeyLite signatures of the Table service.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from local.services.tables.errors import ServiceError

ACCOUNT = "devstoreaccount1"
# Published for every emulator, so no secret: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
WELL_KNOWN_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_KEY = base64.b64decode(WELL_KNOWN_KEY)


def check_signature(method: str, raw_path: str, component: str, headers: Mapping[str, str]) -> None:
    """Raise ServiceError unless the request is signed with the account's key.

    `component` is the `comp` query parameter, the only one that is signed.
    """
    scheme, _, credential = headers.get("Authorization", "").partition(" ")
    account, _, signature = credential.partition(":")
    if scheme not in {"SharedKey", "SharedKeyLite"} or account != ACCOUNT:
        raise ServiceError("AuthenticationFailed")
    for resource in _canonical_resources(raw_path, component):
        text = _string_to_sign(scheme, method, headers, resource)
        expected = base64.b64encode(hmac.digest(_KEY, text.encode(), hashlib.sha256)).decode()
        if hmac.compare_digest(expected, signature):
            return
    raise ServiceError("AuthenticationFailed")


def _string_to_sign(scheme: str, method: str, headers: Mapping[str, str], resource: str) -> str:
    date = headers.get("x-ms-date") or headers.get("Date", "")
    if scheme == "SharedKeyLite":
        return f"{date}\n{resource}"
    parts = (method, headers.get("Content-MD5", ""), headers.get("Content-Type", ""), date, resource)
    return "\n".join(parts)


def _canonical_resources(raw_path: str, component: str) -> Iterator[str]:
    """The path as sent, then as HTTP libraries rewrite it between signing and sending."""
    suffix = f"?comp={component}" if component else ""
    prefix = f"/{ACCOUNT}"
    yield f"{prefix}{raw_path}{suffix}"
    plain = unquote(raw_path)
    for safe in ("/()=,'$", "/()=,'$!*&+;:@", "/", "/~()*!.'"):
        yield f"{prefix}{quote(plain, safe=safe)}{suffix}"
    yield f"{prefix}{plain}{suffix}"
