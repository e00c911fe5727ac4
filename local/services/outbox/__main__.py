"""`python -m local.services.outbox`: the SMS and e-mail services and the mail server as one program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local import serving
from local.services.outbox.server import EMAIL_SECONDS, Outbox

DEFAULT_PORT = 3979
DEFAULT_SMTP_PORT = 3980
HOST = "127.0.0.1"


def main() -> int:
    return serving.run(_service, _arguments().parse_args())


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.services.outbox",
        description="Stand in for Azure Communication Services (SMS and e-mail) and for a mail server; keep and show "
        "every message, send none.",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of HTTP (default: %(default)s)")
    parser.add_argument("--smtp-port", type=int, default=DEFAULT_SMTP_PORT, help="port of SMTP (default: %(default)s)")
    parser.add_argument("--state", type=Path, default=Path(".local/outbox"), help="folder of the messages")
    parser.add_argument(
        "--email-seconds",
        type=float,
        default=EMAIL_SECONDS,
        help="how long an accepted e-mail is Running (default: %(default)s)",
    )
    serving.add_end_with_parent(parser)
    return parser


@asynccontextmanager
async def _service(options: argparse.Namespace) -> AsyncIterator[str]:
    outbox = Outbox(options.state, email_seconds=options.email_seconds)
    try:
        with serving.taking(options.port):
            await outbox.start_http(HOST, options.port)
        with serving.taking(options.smtp_port, "--smtp-port"):
            await outbox.mail.start(HOST, options.smtp_port)
        yield f"The outbox is ready at http://{HOST}:{options.port}/ and smtp://{HOST}:{options.smtp_port}"
    finally:
        await outbox.close()


if __name__ == "__main__":
    sys.exit(main())
