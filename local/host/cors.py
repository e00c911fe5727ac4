"""Cross-origin requests: CORS and CORSCredentials in the Host section of local.settings.json, as in Core Tools."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict


@dataclass(frozen=True)
class Cors:
    origins: frozenset[str] = frozenset()
    credentials: bool = False

    @classmethod
    def of(cls, section: dict[str, object]) -> Cors:
        """`section` is Host of local.settings.json: CORS is `*` or origins between commas."""
        text = str(section.get("CORS") or "")
        origins = frozenset(part.strip().rstrip("/").lower() for part in text.split(",") if part.strip())
        return cls(origins, section.get("CORSCredentials") is True)

    def headers(self, request: web.Request) -> CIMultiDict[str]:
        """What to add to the answer; nothing for an origin that is not allowed."""
        origin = request.headers.get("Origin", "")
        added: CIMultiDict[str] = CIMultiDict()
        if not origin or not ({"*", origin.rstrip("/").lower()} & self.origins):
            return added
        added["Access-Control-Allow-Origin"] = origin if self.credentials or "*" not in self.origins else "*"
        added["Vary"] = "Origin"
        if self.credentials:
            added["Access-Control-Allow-Credentials"] = "true"
        if is_preflight(request):
            added["Access-Control-Allow-Methods"] = request.headers["Access-Control-Request-Method"]
            added["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "*")
        return added


def is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
