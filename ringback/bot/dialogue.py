"""The dialogue: what a person says, and what the bot does about it.

There is no state between two messages but the tables: what a person has running is read from the operations table and
checked with the engine, so the dialogue is right on any instance of the app and after any crash.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from ringback.bot import messages
from ringback.bot.buttons import ButtonDesk, executed, invoke_response, refused_invoke
from ringback.bot.inbound import Attachment, Inbound
from ringback.bot.messages import Message
from ringback.bot.preferences import PreferencesDesk
from ringback.bot.preferences_card import ACTION as SETTINGS_ACTION
from ringback.engagement.marking import read_mark
from ringback.errors import AuthorizationError, NotFoundError, TooLargeError
from ringback.ids import digest, operation_id, owner_of
from ringback.operations import catalogue
from ringback.operations.answers import read_progress
from ringback.operations.desk import OperationsDesk, View
from ringback.operations.operation import Operation
from ringback.operations.progress import EDITABLE_CHANNELS
from ringback.operations.tokens import page_token, read_job_token
from ringback.settings import Settings
from ringback.tables.operations import OperationRow

ANSWER_EVENT = "LongOperationResponse"
TEAMS_FILE = "application/vnd.microsoft.teams.file.download.info"
# Teams adds the message's own HTML as an attachment; cards come back as attachments too.
NOT_FILES = ("text/html", "application/vnd.microsoft.card")
MAX_OPEN = 50
GREETING = re.compile(r"(hi|hello|hey|start|menu|begin|good (morning|afternoon|evening))\b")
HELP_WORDS = {"help", "?", "/help", "what can you do", "commands"}
STATUS_WORDS = re.compile(r"(status|progress|how far|how (is|are|'s)|how's|what are you doing|where are you)\b")
YES, NO = {"yes", "y", "ok", "okay", "sure", "go ahead"}, {"no", "n", "nope", "don't"}
COMMAND = re.compile(r"/?(cancel|abort|retry|try again|approve|reject)\b[:\s]*(.*)", re.IGNORECASE | re.DOTALL)

# Brings the message that shows an operation's progress up to date.
Show = Callable[[OperationRow, Message], Awaitable[None]]
Handler = Callable[["Dialogue", Inbound, str], Awaitable[Message]]


class Dialogue:
    """Answers one person's activities."""

    def __init__(
        self, desk: OperationsDesk, preferences: PreferencesDesk, buttons: ButtonDesk, config: Settings, show: Show
    ) -> None:
        self._desk = desk
        self._preferences = preferences
        self._buttons = buttons
        self._config = config
        self._show = show

    async def respond(self, inbound: Inbound) -> list[Message]:
        """The messages to send back in this turn; none for what needs no words."""
        if inbound.is_from_bot:
            return []
        if inbound.type != "message":
            return await self._unspoken(inbound)
        if read_mark(inbound.value) is not None:
            return [await self._marked(inbound, inbound.value)]
        files = [file for attachment in inbound.attachments if (file := file_of(attachment)) is not None]
        if not files and not inbound.text and inbound.value is None and any(map(is_lost, inbound.attachments)):
            return [messages.message("The file did not come through. Send it again, please.")]
        if files:
            return [await self._start(inbound, catalogue.file_operation(), file, n) for n, file in enumerate(files)]
        if isinstance(inbound.value, dict) and isinstance(inbound.value.get("action"), str):
            return [await self._pressed(inbound, inbound.value)]
        said = inbound.text or (inbound.value if isinstance(inbound.value, str) else "")
        return [await self._said(inbound, said.strip())]

    def greet(self) -> Message:
        """The catalogue, for somebody who just came in."""
        intro = "Hello! Ask me for something long: I answer at once and ring you back with the result."
        return messages.greeting(catalogue.CATALOGUE, intro)

    def help(self, unknown: str = "") -> Message:
        """What the bot understands, led by what it did not."""
        shown = unknown if len(unknown) <= 60 else unknown[:60] + "…"
        lead = f"I don't know what to do with “{shown}”. " if shown else ""
        intro = (
            f"{lead}Pick one by number, name or button, or send me a file. "
            "While something runs, say **status** to hear how far it is or **cancel** to stop it; "
            "**retry** runs again what failed. **settings** shows which messages you get, and when."
        )
        return messages.greeting(catalogue.CATALOGUE, intro)

    async def _said(self, inbound: Inbound, text: str) -> Message:
        return await self._preferences.said(inbound, text) or await self._asked(inbound, text)

    async def _asked(self, inbound: Inbound, text: str) -> Message:
        plain = text.casefold().strip(" .!?")
        if plain in HELP_WORDS or text == "?":
            return self.help()
        command = COMMAND.fullmatch(text)
        if command and (handler := COMMANDS.get(command.group(1).casefold())):
            return await handler(self, inbound, command.group(2).strip(" .!#"))
        chosen = catalogue.chosen(text)
        if chosen is not None:
            operation, rest = chosen
            return await self._start(inbound, operation, {"text": rest} if rest else {})
        running = await self._desk.running(inbound.reference.user_key)
        if running:
            return await self._while_running(inbound, running, plain)
        if STATUS_WORDS.match(plain):
            return messages.message("Nothing is running.", actions=messages.choices(catalogue.CATALOGUE))
        if GREETING.match(plain):
            return self.greet()
        meant = catalogue.meant(text)
        if meant is not None:
            # A word or two name the operation; more say what it is about.
            about = not meant.takes_file and len(text.split()) > 2
            return await self._start(inbound, meant, {"text": text} if about else {})
        return self.help(text)

    async def _unspoken(self, inbound: Inbound) -> list[Message]:
        """What no person typed: an answer of another system, or a button that asks for its answer at once."""
        if inbound.type == "event" and inbound.name == ANSWER_EVENT:
            return await self._external_answer(inbound)
        return await self._executed(inbound) if inbound.type == "invoke" else []

    async def _executed(self, inbound: Inbound) -> list[Message]:
        """A button of the newer kind: its answer goes back with the request, and only more than words as a message."""
        value = executed(inbound)
        if value is None or read_mark(value) is None:
            return [refused_invoke(inbound)]
        answer = await self._marked(inbound, value)
        if answer.keys() & {"suggestedActions", "attachments", "channelData"}:
            return [answer, invoke_response("Done.")]
        return [invoke_response(answer.get("text") or "Done.")]

    async def _marked(self, inbound: Inbound, value: dict[str, Any]) -> Message:
        """A button of a delivered card: counted, then answered by its own code, or as what it says is any time."""
        found = read_mark(value)
        assert found is not None
        mark, data = found
        answer = await self._buttons.pressed(inbound, mark, data)
        if answer is not None:
            return answer
        if mark.says:
            return await self._said(inbound, mark.says.strip())
        return await self._pressed(inbound, {**data, "action": mark.action})

    async def _pressed(self, inbound: Inbound, value: dict[str, Any]) -> Message:
        action, target = value["action"], value.get("operation")
        if action == SETTINGS_ACTION:
            return await self._preferences.pressed(inbound, value)
        if action == "start" and isinstance(target, str):
            try:
                return await self._start(inbound, catalogue.find(target), {})
            except NotFoundError:
                return self.help(target)
        if action in COMMANDS and isinstance(target, str):
            if action in {"approve", "reject"} and isinstance(value.get("event"), str):
                return await self._decide_event(inbound, target, value["event"], action)
            return await COMMANDS[action](self, inbound, target)
        # A button of somebody else's card: its word is data, even when it is one of our commands.
        return messages.message("Thank you, noted.")

    async def _start(self, inbound: Inbound, operation: Operation, given: dict[str, Any], number: int = 0) -> Message:
        if operation.takes_file and not given.get("url"):
            text = (
                f"**{operation.title}**: send me the file here, as an attachment. A CSV or a plain text file will do."
            )
            return messages.message(text)
        reference = inbound.reference
        suffix = digest(reference.channel_id, reference.conversation_id, inbound.activity_id, str(number), length=20)
        row = OperationRow(
            id=operation_id(reference.user_key, suffix),
            operation=operation.name,
            input=given,
            user=reference.user_key,
            conversation=reference.key,
            created_at=datetime.now(timezone.utc),
            editable=reference.channel_id in EDITABLE_CHANNELS,
        )
        if len(await self._desk.table.of_owner(reference.user_key, open_only=True)) >= MAX_OPEN:
            return messages.message(f"You have {MAX_OPEN} operations running. Cancel one first, or wait for a result.")
        try:
            await self._desk.begin(row)
        except TooLargeError:
            return messages.message("That is too much text to start with. Send it as a file instead.")
        return messages.acknowledged(operation, row, self._link(row))

    async def _while_running(self, inbound: Inbound, views: list[View], plain: str) -> Message:
        asking = [view for view in views if messages.asks_approval(view)]
        if len(asking) == 1 and plain in {*YES, *NO}:
            event = (asking[0].row.waiting or {})["event"]
            return await self._decide_event(inbound, asking[0].row.id, event, "approve" if plain in YES else "reject")
        return self._still_working(views)

    def _still_working(self, views: list[View]) -> Message:
        shown = [(view, catalogue.title(view.row.operation), self._link(view.row)) for view in views]
        return messages.still_working(shown)

    def _link(self, row: OperationRow) -> str:
        return f"{self._config.public_url}/api/o/{page_token(self._config.signing_key, row.id)}"

    async def _cancel(self, inbound: Inbound, which: str) -> Message:
        running = await self._desk.running(inbound.reference.user_key)
        if not running:
            return messages.message("Nothing is running.", actions=messages.choices(catalogue.CATALOGUE))
        found = running if which.casefold() in {"all", "everything"} else _named(running, which)
        if len(found) > 1 and which.casefold() not in {"all", "everything"}:
            return _which("cancel", found)
        if not found:
            return self._still_working(running)
        views = [await self._desk.cancel(view.row.id) for view in found]
        lines = [
            messages.progress_line(view, catalogue.title(view.row.operation)) for view in views if view.row.is_open
        ]
        return messages.message("\n\n".join(lines) or "It has just ended.", actions=[messages.say("Status", "status")])

    async def _retry(self, inbound: Inbound, which: str) -> Message:
        rows = await self._desk.table.of_owner(inbound.reference.user_key, open_only=False)
        ended = [row for row in rows if row.state in {"failed", "terminated", "cancelled"}]
        found = [row for row in ended if which.casefold() in {row.id, row.label}] if which else ended
        if not found:
            return messages.message("There is nothing to try again.", actions=messages.choices(catalogue.CATALOGUE))
        return await self._start(inbound, catalogue.find(found[-1].operation), found[-1].input)

    async def _approve(self, inbound: Inbound, which: str) -> Message:
        return await self._decide(inbound, which, "approve")

    async def _reject(self, inbound: Inbound, which: str) -> Message:
        return await self._decide(inbound, which, "reject")

    async def _decide(self, inbound: Inbound, which: str, verb: str) -> Message:
        running = await self._desk.running(inbound.reference.user_key)
        found = _named([view for view in running if messages.asks_approval(view)], which)
        if len(found) > 1:
            return _which(verb, found)
        if not found:
            return messages.message("Nothing is waiting for your approval.")
        return await self._decide_event(inbound, found[0].row.id, (found[0].row.waiting or {})["event"], verb)

    async def _decide_event(self, inbound: Inbound, identity: str, event: str, verb: str) -> Message:
        reference = inbound.reference
        row = await self._desk.table.get(identity) if owner_of(identity) == reference.user_key else None
        if row is None or (row.waiting or {}).get("event") != event:
            return messages.message("This question is not open, or not for you to answer.")
        wanted = {"approve": "approved", "reject": "rejected"}[verb]
        outcome = await self._desk.table.settle(identity, event, wanted)
        data = {"decision": outcome, "by": reference.user_name or reference.user_id}
        # Raised again for the decision that stands: whoever took it may have died before raising it.
        if outcome is None or not await self._desk.answer(identity, event, data):
            return messages.message("This question is closed already.")
        return messages.message(f"Noted: {outcome}." if outcome == wanted else f"It was {outcome} already.")

    async def _external_answer(self, inbound: Inbound) -> list[Message]:
        value = inbound.value
        if not isinstance(value, dict) or not isinstance(value.get("token"), str):
            return [messages.message(f"A {ANSWER_EVENT} needs a value with the token of the job.")]
        if "result" not in value and value.get("progress") is None and value.get("error") is None:
            return [messages.message(f"A {ANSWER_EVENT} needs one of progress, result and error in its value.")]
        try:
            identity, event = read_job_token(self._config.signing_key, value["token"])
        except AuthorizationError as error:
            return [messages.message(str(error))]
        data = {name: value[name] for name in ("progress", "result", "error", "text") if name in value}
        if await self._desk.answer(identity, event, data):
            await self._show_posted(identity, data)
            return []
        return [messages.message("This operation has ended already: nobody waits for the answer any more.")]

    async def _show_posted(self, identity: str, data: dict[str, Any]) -> None:
        """The orchestration must not leave its wait to do this (see `DurableOp.refresh`), so the door does."""
        row = await self._desk.table.get(identity)
        if row is None or not row.editable or "progress" not in data or data.keys() & {"result", "error"}:
            return
        percent, text = read_progress(data["progress"])
        words = str(data.get("text") or text or "working")
        await self._show(row, messages.progress(catalogue.title(row.operation), row.id, "running", percent or 0, words))


COMMANDS: dict[str, Handler] = {
    "cancel": Dialogue._cancel,  # noqa: SLF001  the dialogue's own table
    "abort": Dialogue._cancel,  # noqa: SLF001
    "retry": Dialogue._retry,  # noqa: SLF001
    "try again": Dialogue._retry,  # noqa: SLF001
    "approve": Dialogue._approve,  # noqa: SLF001
    "reject": Dialogue._reject,  # noqa: SLF001
}


class ChatFile(msgspec.Struct, frozen=True):
    """A file that a person sent: where to fetch it, and what they call it."""

    url: str
    name: str
    content_type: str


def file_of(attachment: Attachment) -> dict[str, Any] | None:
    """The input of a file operation, or None when the attachment is no file."""
    url = attachment.content_url
    if attachment.content_type == TEAMS_FILE and isinstance(attachment.content, dict):
        url = attachment.content.get("downloadUrl")
    if not isinstance(url, str) or not url or attachment.content_type.startswith(NOT_FILES):
        return None
    name = attachment.name or "the file"
    return msgspec.to_builtins(ChatFile(url, name[:200], attachment.content_type))


def is_lost(attachment: Attachment) -> bool:
    """Whether this was to be a file, and came without the address to fetch it from."""
    return not attachment.content_type.startswith(NOT_FILES) and file_of(attachment) is None


def _named(views: list[View], which: str) -> list[View]:
    """The views that `which` names by id, label, number or operation; all of them when it is empty."""
    name = which.casefold()
    if not name or name in {"it", "that"}:
        return views
    if name.isdigit() and 1 <= int(name) <= len(views):
        return [views[int(name) - 1]]
    titles = {view.row.id: catalogue.title(view.row.operation).casefold() for view in views}
    return [view for view in views if name in {view.row.id, view.row.label, view.row.operation, titles[view.row.id]}]


def _which(verb: str, views: list[View]) -> Message:
    lines = [messages.progress_line(view, catalogue.title(view.row.operation)) for view in views]
    buttons = [
        messages.say(
            f"{verb.title()} {catalogue.title(view.row.operation)} ({view.row.label})", f"{verb} {view.row.label}"
        )
        for view in views
    ]
    if verb == "cancel":
        buttons.append(messages.say("Cancel all", "cancel all"))
    return messages.message("\n\n".join([f"Which one shall I {verb}?", *lines]), actions=buttons)
