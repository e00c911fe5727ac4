"""`python -m local.channel --bot URL`: the channel as a program of its own, for any bot on any host."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from local.channel.context import DEFAULT_APP_ID, DEFAULT_APP_PASSWORD, DEFAULT_SECRET, Options
from local.channel.database import StateInUseError, StateUnusableError
from local.channel.errors import ChannelError
from local.channel.server import AddressError, PortTakenError, is_http_url, serve
from local.lifetime import end_with_parent

DEFAULT_PORT = 3978
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104  compared, not listened on
LIMIT_HELP = "another figure for send, create, read or app, 0 for none: send/30=100 (repeatable; means --limits)"
FAULT_HELP = "do something wrong, for instance 429-retry-after,rate=0.1 or drop-taken,times=3 (repeatable)"


def port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is none: give 1 to 65535")
    return int(text)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m local.channel", description=__doc__)
    made.add_argument("--bot", required=True, metavar="URL", help="the bot's messages URL, …/api/messages")
    made.add_argument("--port", type=port, default=DEFAULT_PORT, help="port to listen on (default %(default)s)")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    made.add_argument("--state", type=Path, default=Path(".local/channel"), metavar="DIR", help="where state is kept")
    made.add_argument("--secret", help="Direct Line secret (default: DIRECT_LINE_SECRET, else a well-known local one)")
    made.add_argument("--public-url", metavar="URL", help="how the bot and clients reach this channel")
    made.add_argument("--webchat", type=Path, metavar="DIR", help="where webchat.js is (default: STATE/webchat)")
    made.add_argument("--bot-id", default="bot", help="the bot's id in conversations (default %(default)s)")
    made.add_argument("--bot-name", default="Bot", help="the bot's name (default %(default)s)")
    made.add_argument("--auth", action="store_true", help="sign calls to the bot and demand its bearer token")
    made.add_argument("--app-id", help="the bot's app id for --auth (default: MicrosoftAppId, else a local one)")
    made.add_argument("--app-password", help="its password (default: MicrosoftAppPassword, else a local one)")
    made.add_argument("--outbox", default="", metavar="URL", help="JSON of e-mails and SMSs for the page's Outbox pane")
    made.add_argument("--limits", action="store_true", help="hold the bot to the limits of Teams (429)")
    made.add_argument("--limit", action="append", default=[], metavar="WHAT/SECONDS=COUNT", help=LIMIT_HELP)
    made.add_argument("--fault", action="append", default=[], metavar="PRESET[,name=value…]", help=FAULT_HELP)
    made.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")
    return made


def local_url(host: str, number: int) -> str:
    """How programs on this machine reach a server that listens on `host`."""
    if host in EVERY_ADDRESS:
        host = "127.0.0.1"
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"


def options_of(arguments: argparse.Namespace) -> Options:
    return Options(
        bot=arguments.bot,
        public_url=(arguments.public_url or local_url(arguments.host, arguments.port)).rstrip("/"),
        state=arguments.state,
        secret=arguments.secret or os.environ.get("DIRECT_LINE_SECRET") or DEFAULT_SECRET,
        webchat=arguments.webchat or arguments.state / "webchat",
        bot_id=arguments.bot_id,
        bot_name=arguments.bot_name,
        auth=arguments.auth,
        app_id=arguments.app_id
        or os.environ.get("MicrosoftAppId")  # noqa: SIM112  the app's own name
        or DEFAULT_APP_ID,
        app_password=arguments.app_password
        or os.environ.get("MicrosoftAppPassword")  # noqa: SIM112  the app's own name
        or DEFAULT_APP_PASSWORD,
        outbox=arguments.outbox,
        limits=arguments.limits,
        limit=tuple(arguments.limit),
        faults=tuple(arguments.fault),
    )


def main() -> int:
    arguments = parser().parse_args()
    for name, url in (("--bot", arguments.bot), ("--public-url", arguments.public_url)):
        if url is not None and not is_http_url(url):
            print(f"{name} must be an http or https URL, not {url!r}", file=sys.stderr)
            return 2
    logging.basicConfig(level=logging.WARNING, format="channel: %(message)s")
    if arguments.end_with_parent:
        end_with_parent()
    try:
        asyncio.run(serve(options_of(arguments), arguments.host, arguments.port))
    except ChannelError as error:
        print(f"--fault or --limit: {error.message}", file=sys.stderr)
        return 2
    except StateInUseError as error:
        print(f"another channel uses the state in {error}: choose another folder with --state", file=sys.stderr)
        return 2
    except StateUnusableError as error:
        print(f"the state in {error} cannot be used: choose another folder with --state", file=sys.stderr)
        return 2
    except PortTakenError:
        print(f"port {arguments.port} is taken: choose another one with --port", file=sys.stderr)
        return 2
    except AddressError as error:
        place = f"{arguments.host}, port {arguments.port}"
        print(f"cannot listen on {place} ({error}): choose others with --host and --port", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
