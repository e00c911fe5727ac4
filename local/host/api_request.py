"""A request to the durable API, read as the real host reads it: names ignore case, what cannot be parsed is ignored."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from local.host.clock import parse, to_micros
from local.host.commands import LABELS, Status

BY_LABEL = {label.lower(): status for status, label in LABELS.items()}


@dataclass(frozen=True)
class ApiRequest:
    """`segments` are the decoded path parts below the API's root; `base` is `http://host:port` as the caller has it."""

    request: web.Request
    segments: tuple[str, ...]
    query: dict[str, str]
    base: str

    @classmethod
    def of(cls, request: web.Request, root: str) -> ApiRequest:
        """Decoded before it is split, so that an escaped slash splits too; then `+` stands for a space."""
        path = urllib.parse.unquote(request.raw_path.split("?")[0])[len(root) :]
        parts = tuple(part.replace("+", " ") for part in path.split("/") if part not in ("", "."))
        query = {key.lower(): value for key, value in request.query.items()}
        return cls(request, parts, query, f"{request.scheme}://{request.host}")

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def location(self) -> str:
        """The request's own URL, which a 202 sends the caller back to."""
        return str(URL(str(self.request.url)))

    def text(self, name: str) -> str | None:
        return self.query.get(name.lower())

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.query.get(name.lower(), "").strip().lower()
        return {"true": True, "false": False}.get(value, default)

    def number(self, name: str) -> float | None:
        try:
            return float(self.query[name.lower()])
        except (KeyError, ValueError):
            return None

    def whole(self, name: str, default: int) -> int:
        try:
            return int(self.query[name.lower()])
        except (KeyError, ValueError):
            return default

    def moment(self, name: str) -> int | None:
        """Microseconds since 1970."""
        try:
            return to_micros(parse(self.query[name.lower()].replace(" ", "T")))
        except (KeyError, ValueError, OverflowError):
            return None

    def statuses(self) -> list[Status]:
        """Those named in runtimeStatus; a list with an unknown name counts as none, as in the real host."""
        names = [name.strip().lower() for name in self.query.get("runtimestatus", "").split(",")]
        return [BY_LABEL[name] for name in names if name in BY_LABEL]
