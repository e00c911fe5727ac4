"""What the bot says, as Bot Framework activities without an address.

Plain dictionaries, as they go over the wire: a durable delivery carries them as JSON, a turn sends them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ringback.ids import short_id
from ringback.operations.operation import Operation, Result

if TYPE_CHECKING:
    from ringback.operations.desk import View
    from ringback.tables.operations import OperationRow

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
Message = dict[str, Any]


def message(text: str, *, actions: Sequence[Message] = (), card: Message | None = None, **extra: Any) -> Message:
    """A message activity: text, suggested actions, and one Adaptive Card."""
    activity: Message = {"type": "message", "text": text, "textFormat": "markdown", "inputHint": "acceptingInput"}
    if actions:
        activity["suggestedActions"] = {"actions": list(actions)}
    if card is not None:
        activity["attachments"] = [{"contentType": CARD_TYPE, "content": card}]
    return {**activity, **extra}


def say(title: str, words: str | None = None) -> Message:
    """A suggested action that says something in the user's name."""
    return {"type": "imBack", "title": title, "value": words or title}


def adaptive_card(body: Sequence[Message], actions: Sequence[Message] = ()) -> Message:
    """An Adaptive Card of schema 1.4, which Web Chat and Teams both render."""
    card: Message = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": list(body),
    }
    if actions:
        card["actions"] = list(actions)
    return card


def submit(title: str, action: str, **data: Any) -> Message:
    """A card button; its data comes back as the `value` of a message."""
    return {"type": "Action.Submit", "title": title, "data": {"action": action, **data}}


def choices(operations: Iterable[Operation]) -> list[Message]:
    """The catalogue as suggested actions."""
    return [say(operation.title, operation.name) for operation in operations]


def greeting(operations: Sequence[Operation], intro: str) -> Message:
    """The catalogue: named in a line of text, explained on a card, and as suggested actions."""
    named = ", ".join(f"**{number}** {entry.title}" for number, entry in enumerate(operations, 1))
    facts = [
        # Not "1.": Adaptive Cards read Markdown and would number a list of one.
        {"title": f"{number}: {entry.title}", "value": entry.description}
        for number, entry in enumerate(operations, 1)
    ]
    card = adaptive_card(
        [
            {"type": "TextBlock", "text": "What shall I do?", "weight": "Bolder", "size": "Medium", "wrap": True},
            {"type": "FactSet", "facts": facts},
        ],
        [submit(entry.title, "start", operation=entry.name) for entry in operations],
    )
    return message(f"{intro}\n\n{named}", actions=choices(operations), card=card)


def acknowledged(operation: Operation, row: OperationRow, link: str) -> Message:
    """The answer within a second: what was started, how to watch it, how to cancel it."""
    text = (
        f"One moment please: **{operation.title}** ({row.label}) is on its way, and I will ring you back. "
        f"[Watch it]({link})"
    )
    return message(
        text,
        actions=[say("Cancel", f"cancel {row.label}"), say("Status", "status")],
        card=_progress_card(operation.title, row.id, "running", 0, "starting") if row.editable else None,
        channelData={"operationId": row.id},
    )


def progress(title: str, row_id: str, state: str, percent: int, text: str) -> Message:
    """The first answer as it is kept up to date in a channel that can change messages."""
    words = f"**{title}** ({short_id(row_id)}): {percent} %, {state}: {text}"
    return message(words, card=_progress_card(title, row_id, state, percent, text))


def _progress_card(title: str, row_id: str, state: str, percent: int, text: str) -> Message:
    filled = max(0, min(10, percent // 10))
    heading = {"type": "TextBlock", "text": f"{title} ({short_id(row_id)})", "weight": "Bolder", "wrap": True}
    bar = {"type": "TextBlock", "text": f"{'▰' * filled}{'▱' * (10 - filled)} {percent} %", "spacing": "Small"}
    line = {"type": "TextBlock", "text": f"{state}: {text}", "wrap": True, "isSubtle": True, "spacing": "Small"}
    actions = [submit("Cancel", "cancel", operation=row_id)] if state in {"running", "waiting"} else []
    return adaptive_card([heading, bar, line], actions)


def progress_line(view: View, title: str) -> str:
    """One operation, what it is doing and how far it is."""
    if view.row.cancel:
        return f"Cancelling **{title}** ({view.row.label}): it stops after the step it is in."
    return f"Still working on **{title}** ({view.row.label}): {view.percent} %, {view.text}"


def still_working(shown: Sequence[tuple[View, str, str]]) -> Message:
    """What a person has running, as (view, title, link to its page), with buttons for what can be done about it."""
    lines = [f"{progress_line(view, title)} [Watch it]({link})" for view, title, link in shown]
    actions: list[Message] = []
    for view, title, _ in shown:
        which = f" {title} ({view.row.label})" if len(shown) > 1 else ""
        if asks_approval(view):
            actions += [say(f"{verb}{which}", f"{verb.lower()} {view.row.label}") for verb in ("Approve", "Reject")]
        if not view.row.cancel:
            actions.append(say(f"Cancel{which}", f"cancel {view.row.label}"))
    return message("\n\n".join(lines), actions=[*actions, say("Status", "status")])


def asks_approval(view: View) -> bool:
    """Whether the operation waits for somebody to approve."""
    waiting = view.row.waiting or {}
    return waiting.get("kind") == "approval" and "decision" not in waiting and not view.row.cancel


def succeeded(operation: Operation, row_id: str, result: Result, catalogue: Sequence[Operation]) -> Message:
    """The result, in one activity, with the catalogue offered again."""
    data = {"operationId": row_id, "state": "succeeded"}
    text = f"**{operation.title}** is done. {result.text}"
    return message(text, actions=choices(catalogue), card=result.card, channelData=data)


def failed(operation: Operation, row_id: str, label: str, reason: str, catalogue: Sequence[Operation]) -> Message:
    """Why it failed, with a button that tries again."""
    again = say("Try again", f"retry {label}")
    card = adaptive_card(
        [
            {"type": "TextBlock", "text": f"{operation.title} failed", "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": reason, "wrap": True},
        ],
        [submit("Try again", "retry", operation=row_id)],
    )
    return message(
        f"**{operation.title}** ({label}) failed: {reason}",
        actions=[again, *choices(catalogue)],
        card=card,
        channelData={"operationId": row_id, "state": "failed"},
    )


def cancelled(operation: Operation, row_id: str, label: str, catalogue: Sequence[Operation]) -> Message:
    """The end of a cancelled operation."""
    data = {"operationId": row_id, "state": "cancelled"}
    return message(f"**{operation.title}** ({label}) was cancelled.", actions=choices(catalogue), channelData=data)


def stopped(row: OperationRow, title: str, reason: str) -> Message:
    """The end of an operation that somebody ended from outside."""
    return message(
        f"**{title}** ({row.label}) has ended without a result. {reason}",
        actions=[say("Try again", f"retry {row.label}"), say("Help", "help")],
        channelData={"operationId": row.id, "state": "terminated"},
    )


def approval(operation: Operation, row_id: str, label: str, question: str, event: str) -> Message:
    """A question with two buttons, as a card and as suggested actions."""
    card = adaptive_card(
        [
            {"type": "TextBlock", "text": operation.title, "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": question, "wrap": True},
        ],
        [
            submit("Approve", "approve", operation=row_id, event=event),
            submit("Reject", "reject", operation=row_id, event=event),
        ],
    )
    return message(
        f"**{operation.title}** ({label}) asks: {question}",
        actions=[say("Approve", f"approve {label}"), say("Reject", f"reject {label}")],
        card=card,
        channelData={"operationId": row_id, "state": "waiting"},
    )
