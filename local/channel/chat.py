"""`python -m local.channel.chat`: a chat in the terminal over Direct Line, for people and for scripts."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.channel.chat_client import ChatError
from local.channel.chat_session import Session, Step, harmless, parsed
from local.channel.context import DEFAULT_SECRET

DEFAULT_CHANNEL = "http://127.0.0.1:3978"
MOST_SECONDS = 7 * 24 * 3600
EPILOG = """\
In the chat: type a message, or the number of a button of the newest message that has buttons. /file PATH sends a file,
/activity JSON sends any activity, /say TEXT sends TEXT even if it is a number, /quit ends. With --say, --file or
--activity the chat is a script: they are done in their order, each after the answer to the one before, then answers are
shown for --wait seconds; lines that are piped in are a script as well. What you sent is shown too, once the bot has
taken it ("from" tells who with --json).

exit status of a script:
  0  the last step was answered or, with --until, its text came
  1  no answer came in time, the channel or the bot refused, no channel is there, or nobody reads the output
  2  misuse: an unknown option, no such file, an activity that is not JSON
130  interrupted with Ctrl-C
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
        # Bytes of an argument that are not UTF-8 arrive as surrogates; a path keeps them.
        text = str(values) if kind == "file" else str(values).encode("utf-8", "replace").decode()
        namespace.steps = [*(namespace.steps or ()), Step(kind, text)]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python3 dev.py chat",
        description=__doc__,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--channel", default=DEFAULT_CHANNEL, metavar="URL", help="the channel (default %(default)s)")
    made.add_argument("--secret", help="Direct Line secret (default: DIRECT_LINE_SECRET, else the local one)")
    made.add_argument("--user", default="dl_terminal", help="who you are (default %(default)s)")
    made.add_argument("--channel-id", choices=["directline", "msteams"], help="what the bot sees the chat as")
    made.add_argument("--conversation", default="", metavar="ID", help="go on with an earlier conversation")
    made.add_argument("--say", dest="steps", action=_Add, metavar="TEXT", help="send TEXT or press button number TEXT")
    made.add_argument("--file", dest="steps", action=_Add, metavar="PATH", help="send a file")
    made.add_argument("--activity", dest="steps", action=_Add, metavar="JSON", help="send an activity, an event say")
    made.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", help="listen this long after the last step (default 5)"
    )
    made.add_argument("--until", metavar="TEXT", help="end as soon as a message shows TEXT")
    made.add_argument("--json", action="store_true", help="print each activity, yours too, as one line of JSON")
    return made


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= value < MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {MOST_SECONDS} seconds")
    return value


def _misuse(step: Step) -> str:
    """What is wrong with a step whatever the bot says; empty when nothing is."""
    if step.kind == "file" and not Path(step.text).expanduser().is_file():
        return "there is no such file"
    if step.kind == "activity":
        try:
            parsed(step.text)
        except ChatError as error:
            return str(error)
    return ""


async def run(arguments: argparse.Namespace) -> int:
    secret = arguments.secret or os.environ.get("DIRECT_LINE_SECRET") or DEFAULT_SECRET
    session = Session(arguments.channel, secret, arguments.user, as_json=arguments.json, until=arguments.until or "")
    wait = 5.0 if arguments.wait is None else arguments.wait
    async with session.opened(arguments.conversation, arguments.channel_id or ""):
        if arguments.steps:
            return await session.script(arguments.steps, wait)
        return await session.interactive(wait)


def _tolerant(*streams: Any) -> None:
    """Whatever a terminal cannot write or read is shown or taken as "?", instead of ending the chat."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    _tolerant(sys.stdin, sys.stdout, sys.stderr)
    chosen = parser().parse_args(arguments)
    for step in chosen.steps or ():
        if misuse := _misuse(step):
            print(f"--{step.kind} {step.text}: {misuse}", file=sys.stderr)
            return 2
    try:
        return asyncio.run(run(chosen))
    except ChatError as error:
        print(harmless(str(error)), file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Python flushes the closed pipe once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
