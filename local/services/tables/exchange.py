"""One request and what its answer needs to know of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from aiohttp import web

from local.services.tables.addresses import Address, parse_address
from local.services.tables.authentication import ACCOUNT, check_signature
from local.services.tables.errors import ServiceError
from local.services.tables.rendering import Metadata, requested_metadata

VERSION = "2020-12-06"


class Exchange:
    """A request, taken apart."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.query = request.query
        self.request_id = str(uuid.uuid4())
        self.raw_path = request.raw_path.partition("?")[0]
        self.base = f"{request.scheme}://{request.host}/{ACCOUNT}"
        self.prefer = request.headers.get("Prefer", "").lower()

    @property
    def method(self) -> str:
        """The request's method; clients that cannot send MERGE put it in a header of a POST."""
        return (
            self.request.headers.get("X-HTTP-Method", "POST") if self.request.method == "POST" else self.request.method
        )

    def authenticate(self) -> None:
        check_signature(self.request.method, self.raw_path, self.query.get("comp", ""), self.request.headers)

    def address(self) -> Address:
        return parse_address(self.raw_path, ACCOUNT)

    def metadata(self) -> Metadata:
        return requested_metadata(self.request.headers.get("Accept", ""), self.query.get("$format", ""))

    async def body(self) -> bytes:
        """The whole body; raises ServiceError when it is larger than the service takes."""
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise ServiceError("RequestBodyTooLarge") from error

    def respond(
        self,
        status: int,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        known = {
            "x-ms-version": VERSION,
            "x-ms-request-id": self.request_id,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        client_id = self.request.headers.get("x-ms-client-request-id")
        if client_id:
            known["x-ms-client-request-id"] = client_id
        if content_type:
            known["Content-Type"] = content_type
        return web.Response(status=status, body=body or None, headers={**known, **(headers or {})})

    def refuse(self, error: ServiceError) -> web.Response:
        headers = {"x-ms-error-code": error.code}
        return self.respond(error.status, error.body(self.request_id), Metadata.MINIMAL.content_type, headers)
