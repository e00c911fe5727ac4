"""Faults on demand: what the channel does wrong, to which calls, how often."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from local.channel.database import Database
from local.channel.errors import bad_argument
from local.fault_rules import Rule, Rules, complaint

BOT_CALLS = ("send", "update", "delete", "create", "members", "conversations", "attachments", "login")
CLIENT_CALLS = ("token", "start", "reconnect", "post", "upload", "get", "stream")
OPERATIONS = (*BOT_CALLS, *CLIENT_CALLS, "frame", "turn")
# One word for several of them.
GROUPS: dict[str, tuple[str, ...]] = {
    "read": ("members", "conversations", "attachments"),
    "client": ("post", "upload"),
    "directline": CLIENT_CALLS,
}
# What cannot be done before it fails, because it has no end, or twice, because its body can be read but once or because
# the second time tells nothing.
NOT_TAKEN = ("stream", "turn")
NOT_TWICE = ("stream", "delete", "upload", "login", "token", "reconnect", "get", *GROUPS["read"])
NO_ANSWER = {"frame": ("status", "html", "retry_after"), "turn": ("drop", "html", "retry_after")}
# Calls that name no conversation.
NOWHERE = {"create", "conversations", "login"}
# Those that no user can be told from.
OF_NOBODY = {"conversations", "login"}
# What an answer is made of besides its status.
OF_ANSWERS = ("code", "message", "html", "retry_after")
# Text also where it looks like a number.
TEXTS = ("code", "message", "conversation", "user")
LONGEST_RETRY_AFTER = 86400
WRITES_BLOCKED = '{"subCode":"MessageWritesBlocked","details":"The user blocked the bot.","errorCode":209}'


class Fault(Rule):
    """A rule for calls by `operations`, `conversation` and `user` (the last two: any when empty).

    Operations are the bot's calls, those of clients, `frame` for what an open WebSocket is sent, and `turn` for what
    the bot is sent. With `twice` it is done twice, and with a status on `turn` the client is told so although the bot
    took it. Without status, drop and twice the delay is all.
    """

    retry_after: float | None = None
    twice: bool = False
    operations: list[str] = msgspec.field(default_factory=lambda: ["send"])
    conversation: str = ""
    user: str = ""

    def covers(self, operation: str) -> bool:
        return operation in self.operations or any(operation in GROUPS.get(name, ()) for name in self.operations)


def _forbidden(code: str, message: str) -> dict[str, Any]:
    return {"status": 403, "code": code, "message": message}


PRESETS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "code": "TooManyRequests", "message": "Too many requests."},
    "429-retry-after": {"status": 429, "code": "TooManyRequests", "message": "Too many requests.", "retryAfter": 2},
    "412": {"status": 412, "code": "PreconditionFailed", "message": "The conversation is busy."},
    "500": {"status": 500, "code": "ServiceError", "message": "Unknown error."},
    "502-html": {"status": 502, "html": True},
    "200-html": {"status": 200, "html": True},
    "503": {"status": 503, "code": "ServiceUnavailable", "message": "Try again later."},
    "504": {"status": 504, "code": "GatewayTimeout", "message": "The channel gave no answer in time."},
    "504-taken": {"status": 504, "code": "GatewayTimeout", "message": "No answer in time.", "taken": True},
    "slow": {"delay": 5.0},
    "drop": {"drop": True},
    "drop-taken": {"drop": True, "taken": True},
    "413": {"status": 413, "code": "MessageSizeTooBig", "message": "Message size too large."},
    "400": {"status": 400, "code": "BadArgument", "message": "Unknown attachment type."},
    "401": {"status": 401, "code": "Unauthorized", "message": "Authorization has been denied for this request."},
    "403-blocked-by-user": _forbidden("ConversationBlockedByUser", "User blocked the conversation with the bot."),
    "403-disabled-by-admin": _forbidden("BotDisabledByAdmin", "The tenant admin disabled this bot."),
    "403-writes-blocked": _forbidden("Forbidden", WRITES_BLOCKED),
    "403-not-in-roster": _forbidden("BotNotInConversationRoster", "The bot is not part of the conversation roster."),
    "403-not-installed": _forbidden("ForbiddenOperationException", "The bot is not installed in personal scope."),
    "403-not-in-personal-scope": _forbidden("BadArgument", "Bot is not installed in user's personal scope"),
    "403-wrong-host": _forbidden("InvalidBotApiHost", "Invalid bot api host: use the government cloud's."),
    "403-decrypt": _forbidden("BadArgument", "Failed to decrypt conversation id"),
    "403": _forbidden("Forbidden", "Forbidden."),
    "turn-twice": {"operations": ["turn"], "twice": True},
    "turn-504": {"operations": ["turn"], "status": 504, "code": "BotTimeout", "message": "bot timed out"},
    "404-conversation": {"status": 404, "code": "ConversationNotFound", "message": "Conversation not found."},
    "404-activity": {"status": 404, "code": "ActivityNotFound", "message": "Activity not found."},
}


class Faults(Rules[Fault]):
    """The rules, kept in the state folder so that a restart of the channel does not heal it by accident."""

    def __init__(self, database: Database, seed: int | None = None) -> None:
        super().__init__(Fault, database.kept("faults", b"[]"), lambda rules: database.keep("faults", rules), seed)

    def demand(self, asked: dict[str, Any], *, keep: bool = True) -> Fault:
        """Add a rule from JSON: `preset` by name and whatever overrides it. Raises 400 for what is no rule.

        Options of the command line are not kept: the next start brings them again.
        """
        return self.add(_rule(asked), keep=keep)

    def exchange(self, rule_id: str, asked: dict[str, Any]) -> Fault | None:
        """Another rule, from JSON, in the place of one; None when there is none. Raises 400 for what is no rule."""
        return self.change(rule_id, _rule(asked))

    def choose(self, operation: str, conversation: str, users: Collection[str] = ()) -> Fault | None:
        """The first rule that strikes this call; its use is counted. `users` are all that it could be said to be of."""
        return self.draw(
            lambda rule: (
                rule.covers(operation)
                and rule.conversation in ("", conversation)
                and (not rule.user or rule.user in users)
            )
        )


def _rule(asked: dict[str, Any]) -> Fault:
    given = dict(asked)
    preset = given.pop("preset", None)
    if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
        raise bad_argument(f"'preset': there is no {preset!r}; there are: {', '.join(PRESETS)}.")
    try:
        rule = msgspec.convert({**PRESETS.get(preset or "", {}), **given}, Fault)
    except msgspec.ValidationError as error:
        raise bad_argument(f"This is no fault: {error}.") from error
    wrong = complaint(rule) or _complaint(rule)
    if wrong:
        raise bad_argument(wrong)
    return rule


def _complaint(rule: Fault) -> str:
    """What is wrong with the fields that only these rules have; empty when nothing is."""
    if not rule.operations or set(rule.operations) - {*OPERATIONS, *GROUPS}:
        return f"'operations' must be some of: {', '.join((*OPERATIONS, *GROUPS))}."
    if rule.retry_after is not None and not 0 <= rule.retry_after <= LONGEST_RETRY_AFTER:
        return f"'retryAfter' must be from 0 to {LONGEST_RETRY_AFTER} seconds."
    struck = [operation for operation in OPERATIONS if rule.covers(operation)]
    if rule.conversation and NOWHERE.issuperset(struck):
        return f"'conversation' means nothing for {struck[0]!r}."
    if rule.user and OF_NOBODY.issuperset(struck):
        return f"'user' means nothing for {struck[0]!r}."
    if not (rule.status or rule.drop or rule.delay or rule.twice):
        return "A fault needs a preset, a 'status', 'drop', 'twice' or a 'delay'."
    if rule.status and rule.drop:
        return "'status' means nothing with 'drop': a cut connection has no answer."
    if not rule.status and (without := next((name for name in OF_ANSWERS if _has(rule, name)), "")):
        return f"{_spelled(without)} means nothing without 'status'."
    return next(filter(None, (_meaningless(rule, operation) for operation in struck)), "")


def _meaningless(rule: Fault, operation: str) -> str:
    fields = [*NO_ANSWER.get(operation, ())]
    fields += ["taken"] if operation in NOT_TAKEN or (operation == "frame" and not rule.drop) else []
    fields += ["twice"] if operation in NOT_TWICE else []
    wrong = next((name for name in fields if _has(rule, name)), "")
    return f"{_spelled(wrong)} means nothing for {operation!r}." if wrong else ""


def _has(rule: Fault, name: str) -> bool:
    """To try again after 0 seconds is something to be told."""
    value = getattr(rule, name)
    return value is not None if name == "retry_after" else bool(value)


def _spelled(name: str) -> str:
    return repr(name.replace("_a", "A"))


def parse(text: str) -> dict[str, Any]:
    """A rule as an option: `PRESET[,name=value…]`, for instance `429-retry-after,rate=0.1,retryAfter=1`."""
    preset, *pairs = text.split(",")
    rule: dict[str, Any] = {"preset": preset}
    for pair in pairs:
        name, _, value = pair.partition("=")
        rule[name.strip()] = _value(name.strip(), value.strip())
    return rule


def _value(name: str, text: str) -> Any:
    if name in TEXTS:
        return text
    if name == "operations":
        return text.split("+")
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
