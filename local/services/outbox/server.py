"""Both servers over one store."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from local.services.outbox import mails, sms, view
from local.services.outbox.authentication import ACCESS_KEY
from local.services.outbox.faults import Faults
from local.services.outbox.smtp import MailServer
from local.services.outbox.store import Store
from local.services.outbox.wire import FAULTS, KEY, STORE, refusals, refused

# The e-mail service takes 10 MB.
LARGEST = 10 * 1024 * 1024
EMAIL_SECONDS = 1.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@web.middleware
async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse what a web page of elsewhere asks, also one whose name was made to lead here."""
    name = urlsplit(f"//{request.host}").hostname
    site = request.headers.get("Sec-Fetch-Site", "none")
    if name not in LOOPBACK or (site not in {"none", "same-origin"} and request.path != "/"):
        raise refused(403, "Forbidden", "The outbox answers this machine only.")
    response: web.StreamResponse = await handler(request)
    return response


class Outbox:
    """The HTTP application and the mail server, to be started on ports of their own."""

    def __init__(self, state: Path, *, email_seconds: float = EMAIL_SECONDS, key: str = ACCESS_KEY) -> None:
        self._store = Store(state)
        faults = Faults(self._store)
        self.mail = MailServer(self._store, faults)
        application = web.Application(middlewares=[refusals, guard], client_max_size=LARGEST)
        application[STORE], application[FAULTS], application[KEY] = self._store, faults, key
        application[mails.SECONDS] = email_seconds
        application.add_routes([*sms.routes(), *mails.routes(), *view.routes()])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)

    async def start_http(self, host: str, port: int) -> None:
        """Raises OSError when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        await self.mail.close()
        await self._runner.cleanup()
        self._store.close()
