"""`python -m local.channel.chat`: a chat in the terminal over Direct Line, for people and for scripts."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.channel.chat_client import ChatError
from local.channel.chat_session import Session, Step
from local.channel.context import DEFAULT_SECRET

DEFAULT_CHANNEL = "http://127.0.0.1:3978"
EPILOG = """\
In the chat: type a message, or the number of a button of the newest message that has buttons. /file PATH sends a file,
/activity JSON sends any activity, /say TEXT sends TEXT even if it is a number, /quit ends. With --say, --file or
--activity the chat is a script: they are done in their order, each after the answer to the one before, then answers are
shown for --wait seconds. Exit status 1: something was refused, or --until did not come.
"""


class _Add(argparse.Action):
    """--say, --file and --activity share one list, so that their order is kept."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        kind = (option_string or "--say").removeprefix("--")
        namespace.steps = [*(namespace.steps or ()), Step(kind, str(values))]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python3 dev.py chat", description=__doc__, epilog=EPILOG, allow_abbrev=False)
    made.add_argument("--channel", default=DEFAULT_CHANNEL, metavar="URL", help="the channel (default %(default)s)")
    made.add_argument("--secret", help="Direct Line secret (default: DIRECT_LINE_SECRET, else the local one)")
    made.add_argument("--user", default="dl_terminal", help="who you are (default %(default)s)")
    made.add_argument("--channel-id", choices=["directline", "msteams"], help="what the bot sees the chat as")
    made.add_argument("--conversation", default="", metavar="ID", help="go on with an earlier conversation")
    made.add_argument("--say", dest="steps", action=_Add, metavar="TEXT", help="send TEXT or press button number TEXT")
    made.add_argument("--file", dest="steps", action=_Add, metavar="PATH", help="send a file")
    made.add_argument("--activity", dest="steps", action=_Add, metavar="JSON", help="send an activity, an event say")
    made.add_argument("--wait", type=float, metavar="SECONDS", help="listen this long after the last step (default 5)")
    made.add_argument("--until", metavar="TEXT", help="end as soon as a message shows TEXT")
    made.add_argument("--json", action="store_true", help="print each activity of the bot as one line of JSON")
    return made


async def run(arguments: argparse.Namespace) -> int:
    secret = arguments.secret or os.environ.get("DIRECT_LINE_SECRET") or DEFAULT_SECRET
    session = Session(arguments.channel, secret, arguments.user, as_json=arguments.json, until=arguments.until or "")
    wait = 5.0 if arguments.wait is None else arguments.wait
    async with session.opened(arguments.conversation, arguments.channel_id or ""):
        if arguments.steps:
            return await session.script(arguments.steps, wait)
        return await session.interactive(wait)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parser().parse_args(arguments)
    for step in chosen.steps or ():
        if step.kind == "file" and not Path(step.text).is_file():
            print(f"--file {step.text}: there is no such file", file=sys.stderr)
            return 2
    try:
        return asyncio.run(run(chosen))
    except ChatError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
