"""`python -m local.services.outbox`: the SMS and e-mail services and the mail server as one program."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from pathlib import Path

from local.lifetime import end_with_parent
from local.services.outbox.server import EMAIL_SECONDS, Outbox

DEFAULT_PORT = 3979
DEFAULT_SMTP_PORT = 3980
HOST = "127.0.0.1"


def main() -> int:
    options = _arguments().parse_args()
    if options.end_with_parent:
        end_with_parent()
    return asyncio.run(_serve(options))


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
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")
    return parser


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches a whole process group; a parent ends its programs in the order in which they need each other.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if options.end_with_parent else stop.set)
    outbox = Outbox(options.state, email_seconds=options.email_seconds)
    option, port = "--port", options.port
    try:
        await outbox.start_http(HOST, port)
        option, port = "--smtp-port", options.smtp_port
        await outbox.mail.start(HOST, port)
        urls = f"http://{HOST}:{options.port}/ and smtp://{HOST}:{options.smtp_port}"
        print(f"The outbox is ready at {urls}", flush=True)
        await stop.wait()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(f"Port {port} is taken: give another one with {option}.", file=sys.stderr, flush=True)
        return 2
    else:
        return 0
    finally:
        await outbox.close()


if __name__ == "__main__":
    sys.exit(main())
