"""The terminal chat's course: showing what arrives, numbers for buttons, scripts and a prompt."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from local.channel.chat_client import Activity, ChatClient, ChatError
from local.channel.chat_text import Choice, draw, values

# After an answer, what follows within this time belongs to it.
QUIET_SECONDS = 0.6
# A terminal's own line editing throws away what is longer.
TERMINAL_LINE = 4095
HELP = "a message, or a button's number; /file PATH; /activity JSON; /say TEXT; /quit"
# What a bot says must not steer the terminal.
CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\N{REPLACEMENT CHARACTER}") | {9: "\t"}
ESCAPES = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


@dataclass(frozen=True)
class Step:
    """`kind` is "say", "file" or "activity" (JSON)."""

    kind: str
    text: str


class Session:
    def __init__(self, channel: str, secret: str, user: str, *, as_json: bool, until: str) -> None:
        self.client = ChatClient(channel, secret, user)
        self.as_json = as_json
        self.until = until
        self.choices: list[Choice] = []
        # A person sees what they typed; a file that gets this output does not.
        self._echoes = True
        self._heard = 0
        self._refused = False
        self._seen: set[str] = set()
        self._arrived = asyncio.Condition()
        self._found = asyncio.Event()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._reader: threading.Thread | None = None

    @asynccontextmanager
    async def opened(self, conversation: str, channel_id: str) -> AsyncIterator[None]:
        async with self.client:
            await self.client.start(conversation, channel_id)
            self._tell(f"conversation {self.client.conversation} at {self.client.channel}")
            tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch_connection())]
            talking: asyncio.Task[Any] | None = asyncio.current_task()

            def end(done: asyncio.Task[None]) -> None:
                if talking and not done.cancelled():
                    talking.cancel()

            for task in tasks:
                task.add_done_callback(end)
            try:
                yield
            except asyncio.CancelledError:
                # When nothing can be shown any more, because a pipe was closed say, there is nothing to go on with.
                for task in tasks:
                    if task.done():
                        task.result()
                raise
            finally:
                # Also a task that has just ended by itself has nothing to interrupt any more.
                talking = None
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def script(self, steps: list[Step], wait: float) -> int:
        """Do the steps, each after the answer to the one before; 0 when the last was answered and --until came."""
        await self._settle(min(wait, 2.0), 0)
        heard, sent = self._heard, False
        for number, step in enumerate(steps):
            heard = self._heard
            try:
                sent = await self._do(step)
            except ChatError as error:
                print(harmless(f"{step.kind} {step.text!r}: {error}"), file=sys.stderr)
                return 1
            if number + 1 < len(steps):
                await self._settle(wait, heard)
        return await self._ending(wait, answered=lambda: self._heard > heard or not sent)

    async def interactive(self, wait: float) -> int:
        """What a person types, until Ctrl-D or /quit; lines from elsewhere are a script, but go on after a refusal."""
        typed = sys.stdin is not None and sys.stdin.isatty()
        self._echoes = self.as_json or not typed
        self._read_lines()
        if not typed:
            await self._settle(min(wait, 2.0), 0)
        heard, sent = self._heard, False
        while (line := await self._next_line()) is not None:
            if line.strip() == "/quit":
                return 0
            if typed and len(line.encode()) > TERMINAL_LINE:
                self._tell(f"the terminal cut this line at {TERMINAL_LINE} bytes: send long texts with --say or /file")
            if not typed and sent:
                await self._settle(wait, heard)
            if line.strip():
                heard, sent = self._heard, await self._typed(line.strip())
        if typed:
            return 0
        return await self._ending(wait, answered=lambda: not self._refused and (self._heard > heard or not sent))

    async def _typed(self, text: str) -> bool:
        """Whether something was sent."""
        self._refused = False
        if text in ("/help", "/file", "/activity", "/say"):
            self._tell(HELP)
            return False
        try:
            return await self._do(Step("say", text))
        except ChatError as error:
            self._refused = True
            self._tell(str(error))
            return False

    async def _ending(self, wait: float, *, answered: Callable[[], bool]) -> int:
        """Show what still arrives within `wait` seconds; 0 if --until came, or without it the last step's answer."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._found.wait(), wait)
        return 0 if self._found.is_set() or (not self.until and answered()) else 1

    async def _do(self, step: Step) -> bool:
        """Whether something was sent: the button of a link sends nothing."""
        if step.kind == "file" or step.text.startswith("/file "):
            await self.client.upload(Path(step.text.removeprefix("/file ").strip()))
        elif step.kind == "activity" or step.text.startswith("/activity "):
            await self.client.post(parsed(step.text.removeprefix("/activity ")))
        elif (number := _number(step.text)) and number <= len(self.choices):
            return await self._press(self.choices[number - 1])
        else:
            await self.client.post({"text": step.text.removeprefix("/say ")})
        return True

    async def _press(self, choice: Choice) -> bool:
        if choice.activity is None:
            self._tell(f"open {choice.link}")
            return False
        activity = dict(choice.activity)
        if choice.inputs:
            activity["value"] = {**activity.get("value", {}), **await self._answers(choice.inputs)}
        await self.client.post(activity)
        return True

    async def _answers(self, inputs: tuple[Activity, ...]) -> dict[str, str]:
        """The fields of a card: asked for at a prompt, else their own values."""
        answers = {}
        for wanted in inputs:
            value = str(wanted.get("value") or "")
            if self._reader is not None:
                label = wanted.get("label") or wanted.get("placeholder") or wanted["id"]
                options = " / ".join(values(wanted))
                self._tell(" ".join(part for part in (str(label), options, f"[{value}]" if value else "") if part))
                value = (await self._next_line() or "").strip() or value
            answers[str(wanted["id"])] = value
        return answers

    async def _next_line(self) -> str | None:
        """None at the end of the input, however often it is asked for."""
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)
        return line

    def _read_lines(self) -> None:
        loop = asyncio.get_running_loop()

        def read() -> None:
            with suppress(RuntimeError):  # the loop is closed: the chat has ended
                with suppress(OSError):  # an input that cannot be read, or no more, has ended
                    for line in sys.stdin or ():
                        loop.call_soon_threadsafe(self._lines.put_nowait, line)
                loop.call_soon_threadsafe(self._lines.put_nowait, None)

        self._reader = threading.Thread(target=read, name="stdin", daemon=True)
        self._reader.start()

    async def _listen(self) -> None:
        async for activity in self.client.activities():
            sender = activity.get("from", {})
            if sender.get("id") == self.client.user:
                self._show_own(activity)
            else:
                await self._show(activity, "bot" if sender.get("role") == "bot" else str(sender.get("id")))

    def _show_own(self, activity: Activity) -> None:
        """What this user sent, as soon as the bot has taken it: the channel shows it before the answer."""
        if not self._echoes or activity.get("type") == "typing":
            return
        if self.as_json:
            _print_json(activity)
            return
        lines = draw(activity).lines
        if activity.get("value") is not None:
            lines.append(f"({msgspec.json.encode(activity['value']).decode()})")
        self._print("you", lines)

    async def _show(self, activity: Activity, who: str) -> None:
        if activity.get("type") == "typing":
            return
        drawn = draw(activity)
        if self.as_json:
            _print_json(activity)
        # Numbers are those of the newest message that has buttons.
        self.choices = drawn.choices or self.choices
        lines = drawn.lines + [f"  [{number}] {each.title}" for number, each in enumerate(drawn.choices, 1)]
        changed = activity.get("id") in self._seen
        self._seen.add(str(activity.get("id")))
        if not self.as_json:
            self._print(f"{who} (changed)" if changed else who, lines)
        if self.until and self.until in "\n".join([*lines, str(activity.get("text") or "")]):
            self._found.set()
        async with self._arrived:
            self._heard += 1
            self._arrived.notify_all()

    def _print(self, who: str, lines: list[str]) -> None:
        shown = [harmless(line) for line in lines]
        if shown:
            print(
                "\n".join([f"{harmless(who)}: {shown[0]}", *(f"     {line}".rstrip() for line in shown[1:])]),
                flush=True,
            )

    async def _settle(self, wait: float, heard: int) -> None:
        """Until something came after `heard` and nothing more follows, at most `wait` seconds."""
        async with self._arrived:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait_for(lambda: self._heard > heard), wait)
        if self._heard == heard:
            return
        while True:
            latest = self._heard
            await asyncio.sleep(QUIET_SECONDS)
            if self._heard == latest:
                return

    async def _watch_connection(self) -> None:
        shown = True
        while True:
            await asyncio.sleep(0.5)
            if self.client.connected != shown:
                shown = self.client.connected
                self._tell("connected again" if shown else "connection lost, trying again …")

    def _tell(self, text: str) -> None:
        print(f"({harmless(text)})", file=sys.stderr if self.as_json else sys.stdout, flush=True)


def harmless(text: str) -> str:
    """A line that does not steer the terminal, whatever a bot or a channel put there."""
    return text.translate(CONTROLS)


def _print_json(activity: Activity) -> None:
    """On one line; JSON leaves DEL and the controls behind it as they are."""
    print(msgspec.json.encode(activity).decode().translate(ESCAPES), flush=True)


def _number(text: str) -> int:
    """The button that was typed; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def parsed(text: str) -> Activity:
    try:
        value = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise ChatError(f"The activity is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ChatError("The activity must be a JSON object.")
    return value
